//! The strategy on made-up data: what each recipe comes to is a formula.

use super::*;

fn situation(most_trainings: u64) -> Situation {
    Situation { rows: 500, folds: 3, tests: true, most_trainings, out_of_time: false, seed: 1 }
}

/// Some loss that is least at 64 units, a rate of 0.005 and dropout.
fn loss(recipe: &Recipe, fold: usize) -> f64 {
    let units: u64 = recipe.hidden.iter().sum();
    let size = (units.max(1) as f64 / 64.0).ln().abs() * 0.1;
    let rate = (recipe.learning_rate / 0.005).ln().abs() * 0.02;
    let dropped = (recipe.dropout - 0.25).abs() * 0.1;
    0.2 + size + rate + dropped + fold as f64 * 0.01
}

fn outcome(plan: &Plan, numbers: &mut u64) -> Outcome {
    let check = |name: &str, report: Value| Checked {
        check: name.to_owned(),
        verdict: "passed".to_owned(),
        advice: format!("{name} is as it should be."),
        report,
    };
    match plan {
        Plan::Range { .. } => {
            Outcome::Checked { reports: vec![check("lr_range", serde_json::json!({"suggestion": 0.0123}))] }
        }
        Plan::Data { .. } => Outcome::Checked { reports: Vec::new() },
        Plan::Network { .. } => Outcome::Checked { reports: vec![check("gradient", Value::Null)] },
        Plan::Overfit { .. } => Outcome::Checked { reports: vec![check("overfit", Value::Null)] },
        Plan::Train { recipes, .. } => {
            let trial = |recipe: &Recipe| {
                *numbers += 1;
                Trial {
                    recipe: recipe.clone(),
                    job: format!("job_{numbers}"),
                    status: "succeeded".to_owned(),
                    losses: (0..3).map(|fold| loss(recipe, fold)).collect(),
                    train_loss: Some(0.1),
                    accuracy: None,
                    epoch: 17,
                    parameters: recipe.hidden.iter().sum(),
                    seconds: 0.1,
                }
            };
            Outcome::Trained { trials: recipes.iter().map(trial).collect() }
        }
        Plan::Final { .. } => {
            Outcome::Model { job: "job_0".to_owned(), succeeded: true, test: [("test_loss".to_owned(), 0.2)].into() }
        }
    }
}

fn run(situation: &Situation) -> Vec<Done> {
    let (mut done, mut numbers) = (Vec::new(), 0);
    for _ in 0..100 {
        match next(situation, &done) {
            Next::Step { title, reason, plan } => {
                assert!(!title.is_empty() && reason.len() > 20, "{title}: {reason}");
                let outcome = outcome(&plan, &mut numbers);
                assert!(
                    plan == Plan::Data { recipe: plan_recipe(&plan) } || !conclude(&plan, &outcome, &done).is_empty()
                );
                done.push(Done { plan, outcome });
            }
            Next::Finished => return done,
            Next::Failed { reason } => panic!("{reason}"),
        }
    }
    panic!("no end: {done:?}")
}

fn plan_recipe(plan: &Plan) -> Recipe {
    match plan {
        Plan::Data { recipe } | Plan::Network { recipe } | Plan::Overfit { recipe } | Plan::Range { recipe } => {
            recipe.clone()
        }
        Plan::Train { recipes, .. } => recipes[0].clone(),
        Plan::Final { recipe } => recipe.clone(),
    }
}

#[test]
fn the_stages_come_in_their_order_and_end_with_a_model_near_the_best() {
    let done = run(&situation(40));
    let stages: Vec<Stage> = done
        .iter()
        .filter_map(|done| match &done.plan {
            Plan::Train { stage, .. } => Some(*stage),
            _ => None,
        })
        .collect();
    assert_eq!(
        stages[..5],
        [Stage::Baseline, Stage::Grow, Stage::Grow, Stage::Regularise, Stage::Refine],
        "64 units did better than 16: one look at more"
    );
    let Some(Plan::Final { recipe }) = done.last().map(|done| &done.plan) else { panic!("no model") };
    assert_eq!((recipe.hidden.as_slice(), recipe.epochs), (&[64][..], 17));
    assert!(recipe.dropout > 0.0 && (0.003..0.009).contains(&recipe.learning_rate), "{recipe:?}");
}

#[test]
fn a_budget_of_trainings_is_kept_to_the_last_one_and_the_same_steps_follow_each_time() {
    for budget in 2..40 {
        let done = run(&situation(budget));
        let trained = trials(&done).count() as u64 + 1;
        assert!(trained <= budget, "{trained} of {budget}");
        assert!(trained == budget || budget > 25, "{trained} of {budget}");
        assert_eq!(done, run(&situation(budget)));
    }
}

#[test]
fn when_the_time_is_over_the_best_so_far_is_trained() {
    let whole = run(&situation(30));
    let at = whole.iter().position(|done| matches!(done.plan, Plan::Train { .. })).unwrap() + 1;
    let late = Situation { out_of_time: true, ..situation(30) };
    assert!(matches!(next(&late, &whole[..at]), Next::Step { plan: Plan::Final { .. }, .. }));
    // Without any trial there is nothing to choose: one is made all the same.
    let first = next(&late, &whole[..at - 1]);
    assert!(matches!(first, Next::Step { plan: Plan::Train { .. }, .. }));
}

#[test]
fn a_wrong_gradient_or_trials_without_a_loss_end_it() {
    let mut done = run(&situation(30));
    done.truncate(2);
    let Outcome::Checked { reports } = &mut done[1].outcome else { panic!() };
    reports[0].verdict = "failed".to_owned();
    assert!(matches!(next(&situation(30), &done), Next::Failed { .. }));

    let mut done = run(&situation(30));
    let at = done.iter().position(|done| matches!(done.plan, Plan::Train { .. })).unwrap();
    done.truncate(at + 1);
    let Outcome::Trained { trials } = &mut done[at].outcome else { panic!() };
    trials.iter_mut().for_each(|trial| trial.losses.clear());
    assert!(matches!(next(&situation(30), &done), Next::Failed { .. }));
}

#[test]
fn a_gain_is_clear_where_the_folds_agree() {
    let trial = |losses: [f64; 3]| Trial {
        recipe: plan_recipe(&run(&situation(2))[0].plan),
        job: String::new(),
        status: String::new(),
        losses: losses.to_vec(),
        train_loss: None,
        accuracy: None,
        epoch: 1,
        parameters: 1,
        seconds: 0.0,
    };
    // Each fold gains .1: clear, however much the folds differ among themselves.
    assert!(compare(&trial([0.5, 0.9, 0.2]), &trial([0.4, 0.8, 0.1])).unwrap().is_clear());
    assert!(!compare(&trial([0.5, 0.9, 0.2]), &trial([0.9, 0.4, 0.25])).unwrap().is_clear());
}

fn trial(job: &str, learning_rate: f64, hidden: &[u64], losses: [f64; 3]) -> Trial {
    let recipe = Recipe { learning_rate, hidden: hidden.to_vec(), ..first(&situation(9)) };
    let parameters = hidden.iter().sum();
    let losses = losses.to_vec();
    let job = job.to_owned();
    Trial {
        recipe,
        job,
        status: "succeeded".to_owned(),
        losses,
        train_loss: None,
        accuracy: None,
        epoch: 3,
        parameters,
        seconds: 0.1,
    }
}

fn searched(trials: Vec<Trial>) -> Vec<Done> {
    let recipes = trials.iter().map(|trial| trial.recipe.clone()).collect();
    vec![Done { plan: Plan::Train { stage: Stage::Grow, recipes }, outcome: Outcome::Trained { trials } }]
}

#[test]
fn a_best_that_the_folds_cannot_tell_from_others_is_told_with_the_smallest_of_them() {
    let done = searched(vec![
        trial("a", 0.003, &[16], [0.30, 0.42, 0.36]),
        trial("b", 0.003, &[64], [0.33, 0.38, 0.35]),
        trial("c", 0.003, &[256], [0.90, 0.95, 0.99]),
    ]);
    let found = search_findings(&done);
    assert_eq!((found.len(), found[0].code), (1, "within_noise"), "{found:#?}");
    assert!(found[0].message.contains("another trial") && found[0].message.contains("16 parameters"), "{found:#?}");
    let clear = searched(vec![
        trial("a", 0.003, &[16], [0.50, 0.62, 0.56]),
        trial("b", 0.003, &[64], [0.33, 0.45, 0.38]),
        trial("c", 0.003, &[256], [0.90, 0.95, 0.99]),
    ]);
    assert_eq!(search_findings(&clear), []);
    // A single fold cannot tell.
    let one = |trial: Trial| Trial { losses: vec![trial.losses[0]], ..trial };
    let single = searched(vec![one(trial("a", 0.003, &[16], [0.3; 3])), one(trial("b", 0.003, &[64], [0.31; 3]))]);
    assert_eq!(search_findings(&single), []);
}

#[test]
fn a_best_at_the_edge_of_what_was_tried_is_told_and_the_next_look_goes_beyond() {
    let done = searched(vec![
        trial("a", 0.0003, &[64], [0.50, 0.51, 0.52]),
        trial("b", 0.001, &[128], [0.40, 0.41, 0.42]),
        trial("c", 0.003, &[128], [0.30, 0.31, 0.32]),
    ]);
    let found = search_findings(&done);
    assert_eq!((found.len(), found[0].code), (1, "best_at_the_border"), "{found:#?}");
    assert!(found[0].message.contains("the largest learning rate that was tried, 0.003"), "{found:#?}");
    let [border] = search::borders(&done)[..] else { panic!("two sizes are no range: {found:#?}") };
    assert_eq!(border.beyond(&best(&done).unwrap().recipe).learning_rate, 0.009);
    let inside = searched(vec![
        trial("a", 0.0003, &[16], [0.50, 0.51, 0.52]),
        trial("b", 0.001, &[64], [0.30, 0.31, 0.32]),
        trial("c", 0.003, &[256], [0.40, 0.41, 0.42]),
    ]);
    assert_eq!(search_findings(&inside), []);
}

#[test]
fn a_range_test_is_told_without_the_rate_that_nobody_chose() {
    let report =
        serde_json::json!({"learning_rate": 0.003, "suggestion": 0.071, "steepest": 0.05, "minimum_tenth": 0.08});
    let said = range(&report).unwrap();
    assert!(said.contains("at a rate of 0.05") && said.contains("0.071") && !said.contains("0.003"), "{said}");
    assert_eq!(range(&serde_json::json!({"suggestion": null})), None);
}
