import lwcRecommended from '@salesforce/eslint-config-lwc/recommended.js';
import jestPlugin from 'eslint-plugin-jest';

export default [
    { ignores: ['node_modules/', 'build/', 'out/', '.venv/', 'backend/'] },
    ...[lwcRecommended].flat().map((config) => ({ ...config, files: ['force-app/main/**/lwc/**/*.js'] })),
    {
        files: ['force-app/main/**/__tests__/**/*.js'],
        ...jestPlugin.configs['flat/recommended'],
        languageOptions: {
            globals: { ...jestPlugin.configs['flat/recommended'].languageOptions.globals, require: 'readonly' }
        },
        rules: {
            ...jestPlugin.configs['flat/recommended'].rules,
            '@lwc/lwc/no-unexpected-wire-adapter-usages': 'off' // tests emit on the wire adapter themselves
        }
    }
];
