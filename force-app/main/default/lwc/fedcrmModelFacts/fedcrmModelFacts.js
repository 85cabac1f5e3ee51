import { LightningElement, api } from 'lwc';
import { fill, plain } from 'c/fedcrmText';
import modelVersion from '@salesforce/label/c.FedCRM_Ui_ModelVersion';
import round from '@salesforce/label/c.FedCRM_Ui_Round';
import serves from '@salesforce/label/c.FedCRM_Ui_Serves';
import servesLocal from '@salesforce/label/c.FedCRM_Ui_ServesLocal';
import servesFederated from '@salesforce/label/c.FedCRM_Ui_ServesFederated';
import servesPersonal from '@salesforce/label/c.FedCRM_Ui_ServesPersonal';
import dataAsOf from '@salesforce/label/c.FedCRM_Ui_DataAsOf';
import participants from '@salesforce/label/c.FedCRM_Ui_Participants';
import guarantee from '@salesforce/label/c.FedCRM_Ui_PrivacyLoss';
import guaranteeValue from '@salesforce/label/c.FedCRM_Ui_PrivacyLossValue';
import smaller from '@salesforce/label/c.FedCRM_Ui_SmallerIsStronger';
import budget from '@salesforce/label/c.FedCRM_Ui_BudgetSpent';
import budgetValue from '@salesforce/label/c.FedCRM_Ui_BudgetSpentValue';
import recordsStay from '@salesforce/label/c.FedCRM_Ui_RecordsStay';
import modelCard from '@salesforce/label/c.FedCRM_Ui_ModelCard';

const SERVES = { local: servesLocal, federated: servesFederated, personal: servesPersonal };

/** Which model made a score and what privacy stands behind it. Presentational: it fetches nothing. */
export default class FedcrmModelFacts extends LightningElement {
    /** The score's facts: {modelVersion, round, modelOrigin, dataAsOf, modelCardUrl, privacy: {epsilon, delta, participants, budgetSpent}}. */
    @api facts = {};

    labels = {
        modelVersion,
        round,
        serves,
        dataAsOf,
        participants,
        guarantee,
        smaller,
        budget,
        recordsStay,
        modelCard
    };

    monthForm = 'short';

    get servesText() {
        return SERVES[this.facts.modelOrigin] ?? '';
    }
    /** A path is the node's: followed from here it would end in the org, so it is only named. */
    get hasCardLink() {
        return /^https:/.test(this.facts.modelCardUrl ?? '');
    }
    get hasCardPath() {
        return Boolean(this.facts.modelCardUrl) && !this.hasCardLink;
    }
    get hasPrivacy() {
        return this.facts.privacy?.epsilon !== undefined && this.facts.privacy?.epsilon !== null;
    }
    get guaranteeText() {
        const { epsilon, delta } = this.facts.privacy;
        return fill(guaranteeValue, plain(epsilon, Number.isInteger(epsilon) ? 0 : 2), Number(delta).toExponential(0));
    }
    get hasBudget() {
        return Boolean(this.facts.privacy?.epsilon) && (this.facts.privacy.budgetSpent ?? null) !== null;
    }
    get budgetText() {
        const { epsilon, budgetSpent } = this.facts.privacy; // both are epsilons: of the period, and spent in it
        return fill(budgetValue, plain((100 * budgetSpent) / epsilon));
    }
}
