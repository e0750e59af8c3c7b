module.exports = {
  preset: "@react-native/jest-preset",
  testMatch: ["<rootDir>/test/**/*.test.{ts,tsx}"],
  testTimeout: 60_000, // the first run translates React Native itself
  clearMocks: true,
  setupFiles: ["<rootDir>/test/phone/globals.js"],
};
