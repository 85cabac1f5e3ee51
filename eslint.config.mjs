import lwc from '@salesforce/eslint-config-lwc/recommended.js';

export default [{ ignores: ['node_modules/**', 'backend/**'] }, ...lwc.map((part) => ({ ...part, files: ['**/lwc/**/*.js'] }))];
