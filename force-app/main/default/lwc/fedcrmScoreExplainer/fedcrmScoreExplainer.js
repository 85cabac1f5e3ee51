import { LightningElement, api, wire } from 'lwc';
import { notifyRecordUpdateAvailable } from 'lightning/uiRecordApi';
import { refreshApex } from '@salesforce/apex';
import canView from '@salesforce/customPermission/FedCRM_View_Scores';
import getExplanation from '@salesforce/apex/PredictionController.getExplanation';
import requestScore from '@salesforce/apex/PredictionController.requestScore';
import saveFeedback from '@salesforce/apex/PredictionController.saveFeedback';
import { fill, messageOf, plain } from 'c/fedcrmText';
import title from '@salesforce/label/c.FedCRM_Ui_Title';
import loading from '@salesforce/label/c.FedCRM_Ui_Loading';
import noPermission from '@salesforce/label/c.FedCRM_Ui_NoPermission';
import noScoreTitle from '@salesforce/label/c.FedCRM_Ui_NoScoreTitle';
import noScoreBody from '@salesforce/label/c.FedCRM_Ui_NoScoreBody';
import disabledBody from '@salesforce/label/c.FedCRM_Ui_Disabled';
import scoreNow from '@salesforce/label/c.FedCRM_Ui_ScoreNow';
import scoring from '@salesforce/label/c.FedCRM_Ui_Scoring';
import scored from '@salesforce/label/c.FedCRM_Ui_Scored';
import refresh from '@salesforce/label/c.FedCRM_Ui_Refresh';
import retry from '@salesforce/label/c.FedCRM_Ui_Retry';
import errorTitle from '@salesforce/label/c.FedCRM_Ui_ErrorTitle';
import errorKept from '@salesforce/label/c.FedCRM_Ui_ErrorKept';
import staleAge from '@salesforce/label/c.FedCRM_Ui_StaleAge';
import staleChanged from '@salesforce/label/c.FedCRM_Ui_StaleChanged';
import withheld from '@salesforce/label/c.FedCRM_Ui_Withheld';
import hint from '@salesforce/label/c.FedCRM_Ui_Hint';
import scoreOf from '@salesforce/label/c.FedCRM_Ui_ScoreOf';
import likelyRange from '@salesforce/label/c.FedCRM_Ui_LikelyRange';
import averageIs from '@salesforce/label/c.FedCRM_Ui_AverageIs';
import bandLow from '@salesforce/label/c.FedCRM_Ui_BandLow';
import bandMedium from '@salesforce/label/c.FedCRM_Ui_BandMedium';
import bandHigh from '@salesforce/label/c.FedCRM_Ui_BandHigh';
import confidence from '@salesforce/label/c.FedCRM_Ui_Confidence';
import confidenceHigh from '@salesforce/label/c.FedCRM_Ui_ConfidenceHigh';
import confidenceMedium from '@salesforce/label/c.FedCRM_Ui_ConfidenceMedium';
import confidenceLow from '@salesforce/label/c.FedCRM_Ui_ConfidenceLow';
import reasonFewSimilar from '@salesforce/label/c.FedCRM_Ui_ReasonFewSimilar';
import reasonOutOfRange from '@salesforce/label/c.FedCRM_Ui_ReasonOutOfRange';
import reasonMissing from '@salesforce/label/c.FedCRM_Ui_ReasonMissing';
import reasonWide from '@salesforce/label/c.FedCRM_Ui_ReasonWideInterval';
import reasonUnknown from '@salesforce/label/c.FedCRM_Ui_ReasonUnknownValue';
import why from '@salesforce/label/c.FedCRM_Ui_Why';
import whyBoth from '@salesforce/label/c.FedCRM_Ui_WhyBoth';
import whyRaised from '@salesforce/label/c.FedCRM_Ui_WhyRaised';
import whyLowered from '@salesforce/label/c.FedCRM_Ui_WhyLowered';
import whyAverage from '@salesforce/label/c.FedCRM_Ui_WhyAverage';
import and from '@salesforce/label/c.FedCRM_Ui_And';
import showTable from '@salesforce/label/c.FedCRM_Ui_ShowTable';
import showChart from '@salesforce/label/c.FedCRM_Ui_ShowChart';
import change from '@salesforce/label/c.FedCRM_Ui_WhatWouldChange';
import changeCaption from '@salesforce/label/c.FedCRM_Ui_ChangeCaption';
import changeFromTo from '@salesforce/label/c.FedCRM_Ui_ChangeFromTo';
import atMost from '@salesforce/label/c.FedCRM_Ui_AtMost';
import atLeast from '@salesforce/label/c.FedCRM_Ui_AtLeast';
import history from '@salesforce/label/c.FedCRM_Ui_History';
import historyTable from '@salesforce/label/c.FedCRM_Ui_HistoryTable';
import facts from '@salesforce/label/c.FedCRM_Ui_Facts';

const BANDS = { LOW: bandLow, MEDIUM: bandMedium, HIGH: bandHigh };
const REASONS = {
    FEW_SIMILAR: reasonFewSimilar,
    OUT_OF_RANGE: reasonOutOfRange,
    MISSING: reasonMissing,
    WIDE_INTERVAL: reasonWide,
    UNKNOWN_VALUE: reasonUnknown
};
const COMPARISONS = { AT_MOST: atMost, AT_LEAST: atLeast };
/** From here on a confidence is called high, or medium. */
const CONFIDENT = { high: 0.75, medium: 0.5 };

/**
 * A record's score, how sure it is, why, what would change it, and what privacy stands behind it.
 * The one part that fetches: it reads stored scores, asks for a new one only when told to, and gives its children values.
 */
export default class FedcrmScoreExplainer extends LightningElement {
    @api recordId;
    @api objectApiName;
    /** churn, win_probability, lead_conversion, case_escalation; auto follows the kind of record. */
    @api task = 'auto';
    /** How many factors are shown by name. */
    @api maxFactors = 6;

    labels = {
        loading,
        noPermission,
        noScoreTitle,
        noScoreBody,
        disabledBody,
        scoreNow,
        refresh,
        retry,
        errorTitle,
        confidence,
        why,
        change,
        changeCaption,
        history,
        facts
    };
    explanation;
    loadError;
    scoreError = '';
    feedbackError = '';
    announcement = '';
    busy = false;
    factorsAsTable = false;
    trendAsTable = false;
    feedbackBusy = false;
    feedbackStored = false;
    wired;

    @wire(getExplanation, { recordId: '$recordId', task: '$task' })
    receive(result) {
        this.wired = result;
        if (result.data) {
            this.show(result.data);
            this.loadError = undefined;
        } else if (result.error) {
            this.loadError = result.error;
        }
    }

    // --- which state is shown ----------------------------------------------------------------------

    get isDenied() {
        return !canView;
    }
    get isLoading() {
        return canView && !this.explanation && !this.loadError;
    }
    get isFailed() {
        return canView && !this.explanation && Boolean(this.loadError);
    }
    get hasNoScore() {
        return canView && ['NO_SCORE', 'DISABLED'].includes(this.explanation?.status);
    }
    get isDisabled() {
        return this.explanation?.status === 'DISABLED';
    }
    get isReady() {
        return canView && Boolean(this.explanation) && !this.hasNoScore;
    }
    get isWithheld() {
        return this.isReady && this.explanation.status === 'WITHHELD';
    }
    get isStale() {
        return this.isReady && this.explanation.status === 'STALE';
    }
    get isHint() {
        return this.isReady && this.explanation.confidence < CONFIDENT.medium;
    }

    // --- what it says ------------------------------------------------------------------------------

    get cardTitle() {
        return this.explanation?.taskLabel ?? title;
    }
    get loadMessage() {
        return messageOf(this.loadError);
    }
    get noScoreText() {
        return this.isDisabled ? disabledBody : noScoreBody;
    }
    get problem() {
        const message = this.scoreError || this.explanation?.error?.message;
        return message ? (this.isReady ? fill(errorKept, message) : message) : '';
    }
    get staleText() {
        const { ageDays, changedFields } = this.explanation;
        return [ageDays ? fill(staleAge, ageDays) : '', changedFields ? fill(staleChanged, changedFields) : '']
            .filter(Boolean)
            .join(' ');
    }
    get withheldText() {
        return fill(withheld, this.explanation.lastGoodVersion ?? this.explanation.modelVersion);
    }
    get hintText() {
        return hint;
    }
    get decimals() {
        return this.explanation.decimals ?? 0;
    }
    get scoreText() {
        return plain(this.explanation.score, this.decimals);
    }
    get bandText() {
        return BANDS[this.explanation.band] ?? '';
    }
    get tone() {
        const good = this.explanation.polarity === 'HIGH_IS_GOOD';
        return { LOW: good ? 'bad' : 'good', MEDIUM: 'middling', HIGH: good ? 'good' : 'bad' }[this.explanation.band];
    }
    get bandClass() {
        return `slds-badge band band_${this.tone}`;
    }
    get scoreAlt() {
        return [fill(scoreOf, this.cardTitle, this.scoreText, this.bandText), this.rangeText, this.averageText].join(
            '. '
        );
    }
    get low() {
        return this.explanation.interval?.[0];
    }
    get high() {
        return this.explanation.interval?.[1];
    }
    get rangeText() {
        return this.low === undefined
            ? ''
            : fill(likelyRange, plain(this.low, this.decimals), plain(this.high, this.decimals));
    }
    get averageText() {
        return fill(averageIs, plain(this.explanation.baseline, this.decimals));
    }
    get confidencePercent() {
        return Math.round(this.explanation.confidence * 100);
    }
    get confidenceText() {
        const { confidence: sure } = this.explanation;
        return sure >= CONFIDENT.high ? confidenceHigh : sure >= CONFIDENT.medium ? confidenceMedium : confidenceLow;
    }
    get confidenceReasons() {
        return (this.explanation.confidenceReasons ?? [])
            .filter((reason) => REASONS[reason.code])
            .map((reason, index) => ({
                key: `${reason.code}-${index}`,
                text: fill(REASONS[reason.code], reason.label ?? reason.feature ?? '', reason.count ?? '')
            }));
    }
    get whyText() {
        const factors = this.explanation.attributions ?? [];
        const names = (sign) =>
            factors
                .filter((one) => Math.sign(one.points) === sign)
                .slice(0, 2)
                .map((one) => one.label)
                .join(` ${and} `);
        const [up, down] = [names(1), names(-1)];
        if (up && down) {
            return fill(whyBoth, up, down);
        }
        return up ? fill(whyRaised, up) : down ? fill(whyLowered, down) : whyAverage;
    }
    get factorsToggle() {
        return this.factorsAsTable ? showChart : showTable;
    }
    get trendToggle() {
        return this.trendAsTable ? showChart : historyTable;
    }
    get hasTrend() {
        return Boolean(this.explanation.trend?.length);
    }
    get changes() {
        return (this.explanation.counterfactuals ?? []).map((one) => {
            const to = COMPARISONS[one.comparison] ? fill(COMPARISONS[one.comparison], one.to) : one.to;
            return {
                key: one.feature ?? one.label,
                label: one.label,
                step: fill(changeFromTo, one.from, to),
                result: fill(changeFromTo, this.scoreText, plain(one.newScore, this.decimals))
            };
        });
    }
    get hasChanges() {
        return this.changes.length > 0;
    }

    // --- what it does ------------------------------------------------------------------------------

    show(explanation) {
        this.explanation = explanation;
        this.feedbackStored = false;
    }
    toggleFactors() {
        this.factorsAsTable = !this.factorsAsTable;
    }
    toggleTrend() {
        this.trendAsTable = !this.trendAsTable;
    }
    handleRetry() {
        this.loadError = undefined;
        return refreshApex(this.wired);
    }
    async handleScore() {
        this.busy = true;
        this.scoreError = '';
        this.announcement = scoring;
        try {
            this.show(await requestScore({ recordId: this.recordId, task: this.task }));
            this.announcement = fill(scored, this.scoreText);
            await notifyRecordUpdateAvailable([{ recordId: this.recordId }]);
        } catch (error) {
            this.scoreError = messageOf(error); // the last stored score stays where it is
            this.announcement = '';
        } finally {
            this.busy = false;
        }
    }
    async handleAnswer(event) {
        this.feedbackBusy = true;
        this.feedbackError = '';
        try {
            await saveFeedback({
                recordId: this.recordId,
                task: this.explanation.task ?? this.task,
                modelVersion: this.explanation.modelVersion,
                helpful: event.detail.helpful,
                reason: event.detail.reason
            });
            this.feedbackStored = true;
        } catch (error) {
            this.feedbackError = messageOf(error);
        } finally {
            this.feedbackBusy = false;
        }
    }
}
