//! What is to be predicted: classes in their order, counts for priors and weights, the mean and deviation that outputs are taken back with.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::categories::{LabelIndex, label, one_of, ordered, tally, truth};
use super::cell_of;
use super::memo::{Memo, tallied};
use super::numeric::{moments, number};
use super::plan::{TargetKind, TargetPlan};
use crate::data::error::{PlanFault, RowFault};
use crate::data::examples::MISSING_CLASS;
use crate::data::{Column, Table, TargetColumn};
use crate::num::Real;

/// Classes that a target may have.
const MOST_CLASSES: usize = 65_536;
/// How far the shares of a row may be from adding up to 1.
const SHARE_TOLERANCE: f64 = 1e-6;

/// What is known of a target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FittedTarget {
    /// Its name in metrics and predictions.
    pub name: String,
    /// Its columns.
    pub columns: Vec<String>,
    /// What it is.
    pub kind: TargetKind,
    /// The labels in the order of the classes (`Classification`, `Binary`), the columns (`Multilabel`, `Distribution`), or nothing.
    pub classes: Vec<String>,
    /// In the training part: rows of each class; ones of each column (`Multilabel`); sums of shares, rounded (`Distribution`).
    pub class_counts: Vec<u64>,
    /// Mean of the training part in its own unit (`Regression`), before standardising.
    pub mean: f64,
    /// Standard deviation of the training part in its own unit (`Regression`); 1 where it is constant.
    pub std: f64,
    /// Rows of the training part that have a label.
    pub labelled: u64,
}

impl FittedTarget {
    /// Outputs that a network needs for it: classes, labels, or one.
    pub fn outputs(&self) -> usize {
        match self.kind {
            TargetKind::Classification | TargetKind::Multilabel | TargetKind::Distribution => self.classes.len(),
            TargetKind::Binary | TargetKind::Regression { .. } => 1,
        }
    }

    /// Takes a network's output back to the target's own unit; the identity where nothing was standardised.
    pub fn to_own_unit(&self, output: f64) -> f64 {
        match self.kind {
            TargetKind::Regression { standardize: true } => output * self.std + self.mean,
            _ => output,
        }
    }

    pub(super) fn fit(table: &Table, plan: &TargetPlan, train: &[u32]) -> Result<FittedTarget, Vec<PlanFault>> {
        let columns: Vec<&Column> = plan.columns.iter().filter_map(|name| table.column(name)).collect();
        let fault = |detail: String| vec![PlanFault { column: plan.columns.first().cloned(), detail }];
        let Some(first) = columns.first() else { return Err(fault("a target needs a column".into())) };
        let mut fitted = FittedTarget {
            name: plan.name.clone(),
            columns: plan.columns.clone(),
            kind: plan.kind,
            classes: Vec::new(),
            class_counts: Vec::new(),
            mean: 0.0,
            std: 1.0,
            labelled: 0,
        };
        match plan.kind {
            TargetKind::Classification | TargetKind::Binary => {
                fitted.fit_classes(table, first, train).map_err(fault)?
            }
            TargetKind::Regression { .. } => {
                let values = numbers(first, train).map_err(fault)?;
                fitted.labelled = values.len() as u64;
                let (mean, std) = moments(&values);
                (fitted.mean, fitted.std) = (mean, if std > 0.0 { std } else { 1.0 });
            }
            TargetKind::Multilabel => {
                fitted.classes = plan.columns.clone();
                let mut labelled = vec![false; train.len()];
                for column in &columns {
                    let mut ones = 0;
                    for (place, &row) in train.iter().enumerate() {
                        let found = truth(cell_of(column, row));
                        let found = found.map_err(|detail| fault(format!("row {row}: {detail}")))?;
                        ones += u64::from(found == Some(true));
                        labelled[place] |= found.is_some();
                    }
                    fitted.class_counts.push(ones);
                }
                fitted.labelled = labelled.iter().filter(|has| **has).count() as u64;
            }
            TargetKind::Distribution => {
                fitted.classes = plan.columns.clone();
                for column in &columns {
                    let values = numbers(column, train).map_err(fault)?;
                    fitted.labelled = fitted.labelled.max(values.len() as u64);
                    fitted.class_counts.push(values.iter().sum::<f64>().round().max(0.0) as u64);
                }
            }
        }
        if fitted.labelled == 0 {
            return Err(fault("no row of the training part has a value".into()));
        }
        Ok(fitted)
    }

    fn fit_classes(&mut self, table: &Table, column: &Column, train: &[u32]) -> Result<(), String> {
        let mut labels = BTreeSet::new();
        for (cell, _) in tallied(column, 0..table.rows as u32) {
            labels.extend(label(cell));
            if labels.len() > MOST_CLASSES {
                return Err(format!("has more than {MOST_CLASSES} classes; is it a number to be predicted?"));
            }
        }
        self.classes = ordered(labels);
        let (found, wanted) = (self.classes.len(), if self.kind == TargetKind::Binary { "two" } else { "two or more" });
        if found < 2 || (found > 2 && self.kind == TargetKind::Binary) {
            let classes = if found == 1 { "class" } else { "classes" };
            return Err(format!("holds {found} {classes} ({}), expected {wanted}", one_of(&self.classes)));
        }
        let counts = tally(&tallied(column, train.iter().copied()));
        self.class_counts = self.classes.iter().map(|class| counts.get(class).copied().unwrap_or(0)).collect();
        self.labelled = self.class_counts.iter().sum();
        Ok(())
    }

    /// The labels of some rows, for training and evaluation.
    pub(super) fn encode<T: Real>(&self, table: &Table, rows: &[u32], faults: &mut Vec<RowFault>) -> TargetColumn<T> {
        let columns: Vec<Option<&Column>> = self.columns.iter().map(|name| table.column(name)).collect();
        let at =
            |place: usize, row: u32| columns[place].map_or(crate::data::Cell::Missing, |column| cell_of(column, row));
        let mut fault = |row: u32, place: usize, detail: String| {
            faults.push(RowFault { row: row as usize, column: self.columns[place].clone(), detail });
        };
        match self.kind {
            TargetKind::Classification | TargetKind::Binary => {
                let index = LabelIndex::new(&self.classes);
                let class_of = |cell| if label(cell).is_none() { Some(MISSING_CLASS) } else { index.find(cell) };
                let mut memo = Memo::new();
                let mut classes = Vec::with_capacity(rows.len());
                for &row in rows {
                    let cell = at(0, row);
                    let class =
                        columns[0].map_or(Some(MISSING_CLASS), |column| *memo.of(column, row, || class_of(cell)));
                    if class.is_none() {
                        fault(row, 0, format!("expected {}, got {}", one_of(&self.classes), cell.describe()));
                    }
                    classes.push(class.unwrap_or(MISSING_CLASS));
                }
                if self.kind == TargetKind::Classification {
                    return TargetColumn::Classes(classes);
                }
                let value = |class: u32| T::from_f64(if class == MISSING_CLASS { f64::NAN } else { f64::from(class) });
                TargetColumn::Values { width: 1, values: classes.into_iter().map(value).collect() }
            }
            TargetKind::Regression { standardize } => {
                let mut values = Vec::with_capacity(rows.len());
                for &row in rows {
                    let value = number(at(0, row)).unwrap_or_else(|detail| {
                        fault(row, 0, detail);
                        None
                    });
                    let scaled = value.map_or(f64::NAN, |y| if standardize { (y - self.mean) / self.std } else { y });
                    let encoded = T::from_f64(scaled);
                    if value.is_some() && !encoded.is_finite() {
                        fault(row, 0, too_large::<T>(scaled));
                    }
                    values.push(encoded);
                }
                TargetColumn::Values { width: 1, values }
            }
            TargetKind::Multilabel => {
                let mut values = Vec::with_capacity(rows.len() * self.columns.len());
                for &row in rows {
                    for place in 0..self.columns.len() {
                        let found = truth(at(place, row)).unwrap_or_else(|detail| {
                            fault(row, place, detail);
                            None
                        });
                        values.push(T::from_f64(found.map_or(f64::NAN, |yes| if yes { 1.0 } else { 0.0 })));
                    }
                }
                TargetColumn::Values { width: self.columns.len(), values }
            }
            TargetKind::Distribution => {
                let width = self.columns.len();
                let mut values = Vec::with_capacity(rows.len() * width);
                let mut shares = Vec::with_capacity(width);
                for &row in rows {
                    shares.clear();
                    for place in 0..width {
                        match number(at(place, row)) {
                            Ok(share) => shares.extend(share),
                            Err(detail) => fault(row, place, detail),
                        }
                    }
                    let whole = shares.len() == width;
                    let sum: f64 = shares.iter().sum();
                    if whole && (shares.iter().any(|share| *share < 0.0) || (sum - 1.0).abs() > SHARE_TOLERANCE) {
                        fault(row, 0, format!("expected shares ≥ 0 that add up to 1, got {sum} in all"));
                    }
                    let share = |place: usize| if whole { shares[place] } else { f64::NAN };
                    values.extend((0..width).map(|place| T::from_f64(share(place))));
                }
                TargetColumn::Distribution { width, values }
            }
        }
    }
}

/// The numbers of a column in the rows that have one.
fn numbers(column: &Column, rows: &[u32]) -> Result<Vec<f64>, String> {
    let mut values = Vec::with_capacity(rows.len());
    for &row in rows {
        values.extend(number(cell_of(column, row)).map_err(|detail| format!("row {row}: {detail}"))?);
    }
    Ok(values)
}

/// What to say of a number that does not fit.
pub(super) fn too_large<T: Real>(x: f64) -> String {
    format!("{x:e} is too large for {}; say precision f64, or scale the column", T::NAME)
}
