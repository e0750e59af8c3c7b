// The phone against a running Heliograph; tests/native starts both.
module.exports = {
  ...require("./jest.config.cjs"),
  testMatch: ["<rootDir>/test/live/*.spec.tsx"],
  testTimeout: 180_000,
};
