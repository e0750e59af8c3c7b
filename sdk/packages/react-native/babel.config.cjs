// For the tests only; the package itself is built by tsup.
module.exports = { presets: [require.resolve("@react-native/babel-preset")] };
