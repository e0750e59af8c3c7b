// For the tests only; the package itself is built by tsup.
module.exports = { presets: ["module:@react-native/babel-preset"] };
