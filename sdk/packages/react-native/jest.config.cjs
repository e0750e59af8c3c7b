module.exports = {
  preset: "@react-native/jest-preset",
  testMatch: ["<rootDir>/test/**/*.test.{ts,tsx}"],
  // First of all, before React Native's own setup looks at the globals.
  testTimeout: 60_000, // the first run translates React Native itself
  setupFiles: ["<rootDir>/test/phone/globals.js"],
};
