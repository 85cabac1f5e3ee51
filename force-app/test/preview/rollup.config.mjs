// Bundles the shipped components, unchanged, into one page for a browser on this machine.
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import lwc from '@lwc/rollup-plugin';
import replace from '@rollup/plugin-replace';
import iconSubset from './icon-subset.mjs';
import salesforceModules from './salesforce-modules.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.join(here, '../../..');
const packageDir = path.join(root, 'force-app/main/default');
const baseComponents = path.dirname(createRequire(import.meta.url).resolve('lightning-base-components/package.json'));
const provided = JSON.parse(fs.readFileSync(path.join(baseComponents, 'package.json'), 'utf8')).lwc.modules;
const bundles = fs.readdirSync(path.join(packageDir, 'lwc'));
const shims = fs.readdirSync(path.join(here, 'shims/lightning'));

export default {
    input: path.join(here, 'src/main.js'),
    output: {
        // FEDCRM_PREVIEW: a directory of one's own, for tests that run side by side.
        file: path.join(process.env.FEDCRM_PREVIEW ?? path.join(root, 'build/preview'), 'main.js'),
        format: 'esm',
        sourcemap: true,
        inlineDynamicImports: true
    },
    onwarn(warning, show) {
        if (!/lightning-base-components/.test(warning.loc?.file ?? warning.id ?? '')) {
            show(warning);
        }
    },
    plugins: [
        iconSubset([path.join(packageDir, 'lwc'), path.join(baseComponents, 'src/lightning')]),
        salesforceModules({
            packageDir,
            apexRuntime: path.join(here, 'shims/apexRuntime.js'),
            provided: new Set(provided.map((module) => module.name).filter(Boolean))
        }),
        lwc({
            rootDir: path.join(here, 'src'),
            modules: [
                ...bundles.map((name) => ({
                    name: `c/${name}`,
                    path: path.join(packageDir, 'lwc', name, `${name}.js`)
                })),
                ...shims.map((file) => ({
                    name: `lightning/${path.basename(file, '.js')}`,
                    path: path.join(here, 'shims/lightning', file)
                })),
                { npm: 'lightning-base-components' }
            ],
            enableDynamicComponents: true,
            disableSyntheticShadowSupport: false, // as Lightning Experience renders
            exclude: ['**/shims/**', /\0/],
            sourcemap: true
        }),
        replace({
            preventAssignment: true,
            values: { 'import.meta.env.SSR': 'false', 'process.env.NODE_ENV': '"production"' }
        })
    ]
};
