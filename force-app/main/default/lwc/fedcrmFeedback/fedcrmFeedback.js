import { LightningElement, api } from 'lwc';
import helpful from '@salesforce/label/c.FedCRM_Ui_Helpful';
import yes from '@salesforce/label/c.FedCRM_Ui_Yes';
import no from '@salesforce/label/c.FedCRM_Ui_No';
import whyNot from '@salesforce/label/c.FedCRM_Ui_WhyNot';
import wrongValue from '@salesforce/label/c.FedCRM_Ui_WrongValue';
import outdated from '@salesforce/label/c.FedCRM_Ui_Outdated';
import knowsBetter from '@salesforce/label/c.FedCRM_Ui_KnowsBetter';
import send from '@salesforce/label/c.FedCRM_Ui_Send';
import thanks from '@salesforce/label/c.FedCRM_Ui_Thanks';

/** Asks whether a score was helpful, and, where it was not, why. It sends nothing: it tells its parent. */
export default class FedcrmFeedback extends LightningElement {
    /** What this user answered before: true, false, or nothing yet. */
    @api answer;
    /** The answer is being stored. */
    @api busy = false;
    /** The answer is stored. */
    @api stored = false;

    asking = false;
    reason = null;
    labels = { helpful, yes, no, whyNot, send, thanks };
    reasons = [
        { label: wrongValue, value: 'Wrong_Value' },
        { label: outdated, value: 'Outdated' },
        { label: knowsBetter, value: 'Other_Knowledge' }
    ];

    get saidYes() {
        return this.answer === true;
    }
    get saidNo() {
        return this.answer === false || this.asking;
    }

    handleYes() {
        this.asking = false;
        this.tell(true, null);
    }
    handleNo() {
        this.asking = true;
    }
    handleReason(event) {
        this.reason = event.detail.value;
    }
    handleSend() {
        this.asking = false;
        this.tell(false, this.reason);
    }
    tell(helpfulAnswer, reason) {
        /** Fired once an answer is given; detail is {helpful, reason}, reason null where none was chosen. */
        this.dispatchEvent(new CustomEvent('answer', { detail: { helpful: helpfulAnswer, reason } }));
    }
}
