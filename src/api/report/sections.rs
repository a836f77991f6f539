//! The sections of a job's page. A section that has nothing to say is left out; one that cannot be made says why.

use maud::{Markup, html};
use serde_json::Value;

use super::name_of;
use crate::api::checks::pictures;
use crate::api::jobs::lineage::{Family, sentence};
use crate::api::jobs::{layers as layer_curves, metrics};
use crate::api::page::{facts, json, number, picture, spaced, table, word};
use crate::api::problem::Problem;
use crate::api::{App, diagnosis, evaluation as measured, time};
use crate::plot::{LineChart, Series, lines};
use crate::store::{Axis, Job};

/// Reports of checks that are looked through for the newest of each kind.
const REPORTS: u32 = 100;
/// Values of the last epoch among the facts.
const LAST: [&str; 6] = ["loss", "val_loss", "test_loss", "accuracy", "val_accuracy", "test_accuracy"];

/// Who it is and how it stands.
pub(super) fn head(job: &Job, title: &str) -> Markup {
    let dataset = job.dataset.name.clone().unwrap_or_else(|| job.dataset.id.to_string());
    let mut values = vec![("Dataset", dataset), ("Training time", format!("{} s", number(job.train_seconds)))];
    if let Some(progress) = &job.progress {
        values.push(("Epochs", format!("{} of {}", progress["epoch"], progress["epochs"])));
    }
    if let Some(best) = &job.best {
        values.push(("Best", format!("{} {} (epoch {})", best.metric, number(best.value), best.epoch)));
    }
    let last = job.last.clone().unwrap_or_default();
    let named: Vec<(String, String)> = LAST
        .iter()
        .filter_map(|name| Some((format!("Last {}", spaced(name)), number(last[*name].as_f64()?))))
        .collect();
    values.extend(named.iter().map(|(name, value)| (name.as_str(), value.clone())));
    if let Some(parameters) = job.parameters {
        values.push(("Parameters", parameters.to_string()));
    }
    html! {
        header {
            h1 { (title) }
            p.muted.small {
                (word(job.status.as_str()))
                @if let Some(reason) = &job.stop_reason { " · " (spaced(reason)) }
                " · " (job.id) " · created " (time::text(job.created_at)) " · trainyard " (job.version)
            }
            @if let Some(error) = &job.error {
                div.card { p.word.bad { (error["title"].as_str().unwrap_or("It failed")) } p { (error["detail"].as_str().unwrap_or_default()) } }
            }
            (facts(&values))
        }
    }
}

/// What limits it.
pub(super) async fn findings(app: &App, job: &Job) -> Result<Markup, Problem> {
    let found = match diagnosis::findings(app, job).await {
        Ok(found) => found,
        Err(problem) => return Ok(html! { h2 { "What limits it" } p.muted { (problem.detail()) } }),
    };
    Ok(html! {
        h2 { "What limits it" }
        @if found.is_empty() { p { "Nothing stands out: the curves look as they should." } }
        @for finding in &found { (one_finding(finding)) }
    })
}

fn one_finding(finding: &Value) -> Markup {
    let text = |name: &str| finding[name].as_str().unwrap_or_default();
    let evidence: Vec<String> = finding["evidence"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| format!("{} {}", spaced(name), number(value.as_f64())))
        .collect();
    html! {
        article.card {
            h3 { (word(text("severity"))) " " (spaced(text("code"))) }
            p { (text("message")) }
            p { (text("advice")) }
            @if finding["patch"].is_object() { p.small { "Change: " code { (finding["patch"]) } } }
            p.small.muted { (evidence.join(" · ")) @if !evidence.is_empty() { ". " } "Rule from: " (text("source")) }
        }
    }
}

/// Losses, accuracies, the rate, and what the tasks do to each other.
pub(super) async fn curves(app: &App, job: &Job, family: &Family) -> Result<Markup, Problem> {
    let known = app.store().metric_names(job.id, Axis::Epoch).await?;
    if known.is_empty() {
        return Ok(html! {});
    }
    let chart = async |names: &[&str], title: &str, log: bool| -> Result<Option<LineChart>, Problem> {
        let names: Vec<String> = names
            .iter()
            .filter(|name| known.iter().any(|known| known == *name))
            .map(|name| (*name).to_owned())
            .collect();
        if names.is_empty() {
            return Ok(None);
        }
        metrics::curves(app, job.id, Axis::Epoch, &names, title.to_owned(), log).await.map(Some)
    };
    let mut charts = Vec::new();
    if let Some(mut losses) = chart(&["loss", "val_loss", "train_eval_loss"], "Loss by epoch", true).await? {
        losses.series.extend(before(app, job, family).await?);
        charts.push(losses);
    }
    charts.extend(chart(&["accuracy", "val_accuracy"], "Accuracy by epoch", false).await?);
    charts.extend(chart(&["learning_rate"], "Learning rate by epoch", false).await?);
    charts.extend(chart(&["gradient_norm"], "Size of the gradient by epoch", true).await?);
    charts.extend(
        chart(&["clipped_share"], "Share of clipped steps by epoch", false)
            .await?
            .filter(|chart| chart.series.iter().any(|series| series.points.iter().any(|point| point.1 > 0.0))),
    );
    let of = |prefix: &str| -> Vec<&str> {
        known.iter().map(String::as_str).filter(|name| name.starts_with(prefix)).collect()
    };
    charts.extend(chart(&of("gradient_norm/"), "How hard each task pulls at the shared layers", true).await?);
    charts.extend(
        chart(&of("gradient_cosine/"), "Whether tasks pull the same way (1) or against each other (-1)", false).await?,
    );
    charts.extend(chart(&of("val_loss/"), "Validation loss of each task", true).await?);
    let drawn = draw(app, charts).await?;
    Ok(html! { h2 { "Curves" } div.pair { @for (title, svg) in &drawn { (picture(svg, title, "")) } } })
}

/// What became of each fold of a cross-validation, and the mean and spread over them.
pub(super) fn folds(job: &Job) -> Markup {
    let Some(document) = &job.folds else { return html! {} };
    let measures = ["val_loss", "val_accuracy"].map(|name| (name, &document["metrics"][name]));
    let told: Vec<(&str, &Value)> = measures.into_iter().filter(|(_, measure)| measure.is_object()).collect();
    let names: Vec<String> = told.iter().map(|(name, _)| format!("#{}", spaced(name))).collect();
    let headings: Vec<&str> =
        ["fold", "status", "#best epoch"].into_iter().chain(names.iter().map(String::as_str)).collect();
    let row = |fold: &Value| -> Vec<Markup> {
        let own = [
            html! { (fold["fold"]) },
            word(fold["status"].as_str().unwrap_or_default()),
            html! { (number(fold["epoch"].as_f64())) },
        ];
        let values = told.iter().map(|(name, _)| html! { (number(fold["metrics"][*name].as_f64())) });
        own.into_iter().chain(values).collect()
    };
    let mut rows: Vec<Vec<Markup>> = document["jobs"].as_array().into_iter().flatten().map(row).collect();
    let spread = |measure: &Value| html! { (number(measure["mean"].as_f64())) " ± " (number(measure["sd"].as_f64())) };
    let empty = [html! { strong { "mean ± sd" } }, html! {}, html! {}];
    rows.push(empty.into_iter().chain(told.iter().map(|(_, measure)| spread(measure))).collect());
    html! {
        section {
            h2 { "Folds" }
            (table("Folds", &headings, &rows))
        }
    }
}

/// The validation loss of the job it was forked from.
async fn before(app: &App, job: &Job, family: &Family) -> Result<Option<Series>, Problem> {
    let above = job.parent.as_ref().and_then(|parent| parent["job"].as_str());
    let Some(parent) =
        family.steps.iter().map(|step| &step.job).find(|step| Some(step.id.to_string().as_str()) == above)
    else {
        return Ok(None);
    };
    let names = ["val_loss".to_owned()];
    let chart = metrics::curves(app, parent.id, Axis::Epoch, &names, String::new(), true).await?;
    Ok(chart.series.into_iter().next().map(|series| Series { name: "val_loss before".into(), ..series }))
}

/// Draws charts aside, since a long curve takes its time; each with its title.
async fn draw(app: &App, charts: Vec<LineChart>) -> Result<Vec<(String, String)>, Problem> {
    app.blocking(move || Ok(charts.iter().map(|chart| (chart.title.clone(), lines(chart))).collect())).await
}

/// What went on inside.
pub(super) async fn layers(app: &App, job: &Job) -> Result<Markup, Problem> {
    let mut charts = Vec::new();
    for (statistic, _) in layer_curves::STATISTICS {
        // A norm says what the mean square says; the spread of what goes in what the spread of what comes out says.
        if ["gradient_norm", "zero_share", "pre_activation_std", "activation_mean"].contains(&statistic) {
            continue;
        }
        let chart = layer_curves::chart(app, job.id, statistic).await?;
        if !chart.series.is_empty() {
            charts.push(chart);
        }
    }
    if charts.is_empty() {
        return Ok(html! {});
    }
    let drawn = draw(app, charts).await?;
    Ok(html! { h2 { "Inside the layers" } div.pair { @for (title, svg) in &drawn { (picture(svg, title, "")) } } })
}

/// What was proved before the first step.
pub(super) async fn checks(app: &App, job: &Job) -> Result<Markup, Problem> {
    let (reports, _) = app.store().report_list(Some(job.id), None, REPORTS, None).await?;
    let newest = reports
        .iter()
        .enumerate()
        .filter(|(place, report)| !reports.iter().take(*place).any(|newer| newer.kind == report.kind));
    let newest: Vec<_> = newest.map(|(_, report)| report).collect();
    if newest.is_empty() {
        return Ok(html! {});
    }
    Ok(html! {
        h2 { "Checks" }
        @for report in newest {
            article.card {
                h3 { (word(&report.verdict)) " " (spaced(&report.kind)) }
                p { (report.document["advice"].as_str().unwrap_or_default()) }
                @if let Some(svg) = pictures::draw(&report.kind, &report.verdict, &report.document) {
                    (picture(&svg, &format!("{} check, {}", spaced(&report.kind), report.verdict), ""))
                }
            }
        }
    })
}

/// How good the model is, or why that cannot be said.
pub(super) async fn evaluation(app: &App, job: &Job) -> Markup {
    if job.best.is_none() || !job.status.is_finished() {
        return html! {};
    }
    let found = match measured::for_page(app, job).await {
        Ok(found) => found,
        Err(problem) => return html! { h2 { "Evaluation" } p.muted { (problem.detail()) } },
    };
    let document = &found.document;
    let targets = document["targets"].as_object();
    html! {
        h2 { "Evaluation" }
        p.muted { (document["rows"]) " rows of the " (spaced(document["split"].as_str().unwrap_or_default())) " part; intervals of 95 %." }
        @for (name, target) in targets.into_iter().flatten() {
            h3 { (name) }
            (measures(name, target))
        }
        div.pair { @for (title, drawn) in &found.pictures { (picture(drawn, title, "")) } }
    }
}

/// The measures of a target beside those of the baselines.
fn measures(name: &str, target: &Value) -> Markup {
    let shown = ["loss", "log_loss", "accuracy", "balanced_accuracy", "f1_macro", "roc_auc", "mae", "rmse", "r2"];
    let baseline =
        |which: &str, measure: &str| target.pointer(&format!("/baseline/{which}/{measure}")).and_then(Value::as_f64);
    let simple = if target.pointer("/baseline/majority").is_some() { "majority" } else { "mean" };
    let rows: Vec<Vec<Markup>> = shown
        .iter()
        .filter_map(|measure| {
            let value = target[*measure].as_f64()?;
            let interval = &target["intervals"][*measure];
            let ends = interval[0].as_f64().zip(interval[1].as_f64());
            Some(vec![
                html! { (spaced(measure)) },
                html! { (number(value)) },
                html! { @if let Some((low, high)) = ends { (number(low)) " – " (number(high)) } },
                html! { (number(baseline("linear", measure))) },
                html! { (number(baseline(simple, measure))) },
            ])
        })
        .collect();
    let constant = format!("#{} alone", if simple == "majority" { "most frequent class" } else { "mean" });
    table(&format!("Measures of {name}"), &["Measure", "#Model", "#Interval", "#Linear model", &constant], &rows)
}

/// What came of it.
pub(super) fn lineage(job: &Job, family: &Family) -> Markup {
    if family.steps.len() < 2 {
        return html! {};
    }
    let rows: Vec<Vec<Markup>> = family
        .steps
        .iter()
        .map(|step| {
            let told = sentence(step).unwrap_or_else(|| "the first".to_owned());
            let outcome = match &step.gain {
                Some(gain) if gain.after < gain.before => word("passed"),
                Some(_) => word("warn"),
                None => html! {},
            };
            vec![
                html! {
                    (" · ".repeat(step.depth))
                    @if step.job.id == job.id { strong { (name_of(&step.job)) " (this job)" } } @else { (name_of(&step.job)) }
                },
                html! { (told) },
                html! { (word(step.job.status.as_str())) },
                outcome,
            ]
        })
        .collect();
    html! {
        h2 { "Lineage" }
        p.muted { "Each fork with the finding that led to it, what it changed, and what became of the loss." }
        (table("Lineage", &["Job", "Finding, change, loss before and after", "Status", "Better?"], &rows))
        @if family.truncated { p.muted { "There are more forks than are shown." } }
    }
}

/// Everything that makes the job, so that it can be posted again.
pub(super) fn spec(job: &Job) -> Markup {
    html! {
        h2 { "Spec" }
        @if let Some(request) = &job.request { h3 { "As it was sent" } (json(request)) }
        @if let Some(spec) = &job.spec { details { summary { "With every default" } (json(spec)) } }
    }
}
