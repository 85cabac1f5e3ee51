const { jestConfig } = require('@salesforce/sfdx-lwc-jest/config');

module.exports = {
    testTimeout: 30000, // machines that run several suites at once are slow, not wrong
    ...jestConfig,
    globalSetup: '<rootDir>/force-app/test/jest/labels.cjs',
    setupFilesAfterEnv: [...(jestConfig.setupFilesAfterEnv ?? []), '<rootDir>/force-app/test/jest/setup.cjs'],
    moduleNameMapper: {
        ...jestConfig.moduleNameMapper,
        '^@salesforce/label/c\\.(.+)$': '<rootDir>/build/jest-labels/$1.js'
    },
    modulePathIgnorePatterns: ['<rootDir>/.venv', '<rootDir>/build/'],
    testPathIgnorePatterns: [...(jestConfig.testPathIgnorePatterns ?? []), '<rootDir>/backend/', '<rootDir>/out/']
};
