// Runs PMD, or with --graph the Salesforce Graph Engine, over a folder and prints the findings as JSON, one list.
// The plugin of the Salesforce CLI does the same with 300 MB more; the selectors are those of the security review.
import { createRequire } from 'node:module';
import path from 'node:path';

const args = process.argv.slice(2);
const graph = args.includes('--graph');
const folder = path.resolve(args.find((argument) => !argument.startsWith('--')));
const require = createRequire(path.join(process.cwd(), 'package.json'));
const core = require('@salesforce/code-analyzer-core');
const engine = require(graph ? '@salesforce/code-analyzer-sfge-engine' : '@salesforce/code-analyzer-pmd-engine');

const analyzer = new core.CodeAnalyzer(core.CodeAnalyzerConfig.fromObject({}));
await analyzer.addEnginePlugin(engine.createEnginePlugin());
const workspace = await analyzer.createWorkspace([folder]);
const rules = await analyzer.selectRules(['AppExchange', 'Recommended:Security'], { workspace });
const results = await analyzer.run(rules, { workspace });
const findings = results.getViolations().map((violation) => {
    const place = violation.getPrimaryLocation();
    return {
        rule: violation.getRule().getName(),
        severity: violation.getRule().getSeverityLevel(),
        file: place.getFile() && path.relative(folder, place.getFile()),
        line: place.getStartLine() ?? null,
        message: violation.getMessage()
    };
});
process.stdout.write(JSON.stringify({ rules: rules.getCount(), findings }, null, 1) + '\n');
