import { LightningElement, api } from 'lwc';

/** Length of a half circle of radius 40, on which 0 to 100 is drawn. */
const LENGTH = Math.PI * 40;

/** Keeps a drawn value on the scale, whatever was stored. */
const onScale = (value) => Math.max(0, Math.min(100, Number(value) || 0));

/** A score as a half circle, with its likely range and the average record. Presentational: it fetches nothing. */
export default class FedcrmScoreGauge extends LightningElement {
    /** Score, 0 to 100. */
    @api score;
    /** The score as it is written, in the user's language. */
    @api text;
    /** Ends of the likely range, 0 to 100; not drawn where either is missing. */
    @api low;
    @api high;
    /** Score of the average record, 0 to 100; not drawn where it is missing. */
    @api baseline;
    /** good, middling or bad: the colour, which words beside the gauge say too. */
    @api tone = 'middling';
    /** The whole drawing in one sentence, for whoever does not see it. */
    @api altText;

    get arcClass() {
        return `arc arc_${this.tone}`;
    }
    get arcDash() {
        return `${(onScale(this.score) / 100) * LENGTH} ${LENGTH}`;
    }
    get hasRange() {
        return this.low !== undefined && this.low !== null && this.high !== undefined && this.high !== null;
    }
    get rangeDash() {
        return `${((onScale(this.high) - onScale(this.low)) / 100) * LENGTH} ${2 * LENGTH}`;
    }
    get rangeOffset() {
        return -(onScale(this.low) / 100) * LENGTH;
    }
    get hasBaseline() {
        return this.baseline !== undefined && this.baseline !== null;
    }
    get tick() {
        const angle = Math.PI * (1 - onScale(this.baseline) / 100);
        const [x, y] = [Math.cos(angle), Math.sin(angle)];
        return { x1: 50 + 33 * x, y1: 50 - 33 * y, x2: 50 + 47 * x, y2: 50 - 47 * y };
    }
}
