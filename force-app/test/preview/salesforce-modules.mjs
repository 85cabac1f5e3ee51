// Rollup plugin: what the platform provides as @salesforce/*, from the package's own metadata.
import { createRequire } from 'node:module';

const { readLabels } = createRequire(import.meta.url)('../jest/labels.cjs');
const PREFIX = '\0salesforce:';
const SCOPE = '@salesforce/';

/**
 * @param {object} options
 * @param {string} options.packageDir force-app/main/default; errors name it
 * @param {string} options.apexRuntime module that calls Apex
 * @param {Set<string>} options.provided modules that the base components bring themselves
 */
export default function salesforceModules({ packageDir, apexRuntime, provided }) {
    const labels = readLabels();
    const runtime = JSON.stringify(apexRuntime);

    const modules = {
        apex(context, name) {
            return name
                ? `import { apex } from ${runtime}; export default apex(${JSON.stringify(name)});`
                : `export { refreshApex } from ${runtime};`;
        },
        label(context, name) {
            const label = name.replace(/^c\./, '');
            if (!labels.has(label)) {
                context.error(`custom label ${label} is not in ${packageDir}/labels`);
            }
            return `export default ${JSON.stringify(labels.get(label))};`;
        },
        customPermission(context, name) {
            return `export default !new URLSearchParams(location.search).getAll('deny').includes(${JSON.stringify(name)});`;
        }
    };

    return {
        name: 'salesforce-modules',
        resolveId(id) {
            return id.startsWith(SCOPE) && !provided.has(id) ? PREFIX + id.slice(SCOPE.length) : null;
        },
        load(id) {
            if (!id.startsWith(PREFIX)) {
                return null;
            }
            const [kind, ...rest] = id.slice(PREFIX.length).split('/');
            if (!modules[kind]) {
                this.error(`the preview has nothing for @salesforce/${kind}`);
            }
            return modules[kind](this, rest.join('/'));
        }
    };
}
