//! L-BFGS ends where PyTorch's ends: paths part in rounding, so only losses are compared.

use trainyard::nn::optimizer::{Lbfgs, Method, Optimizer};
use trainyard::train::{Batching, Precision, Real, Start, Unobserved, fit};

use super::network::{dataset, golden, numbers, plan};

/// The objective after five epochs.
fn end<T: Real>(precision: Precision) -> f64 {
    let golden = golden();
    let optimizer = Optimizer::new(Method::Lbfgs(Lbfgs::default()), 1.0);
    let mut plan = plan(&golden, optimizer, precision);
    plan.batching = Batching::Full;
    plan.regularization.l2 = 0.01;
    // The objective of an epoch is that of the parameters before its step.
    plan.epochs = 6;
    let start = Start::Weights { parameters: numbers::<T>(&golden["start"]), buffers: None };
    let outcome = fit(&plan, &dataset::<T>(&golden), start, &mut Unobserved).unwrap();
    outcome.last.iter().find(|(name, _)| name == "objective").unwrap().1
}

#[test]
fn it_ends_where_pytorch_ends() {
    let golden: Vec<f64> = numbers(&golden()["lbfgs"]);
    let wanted = golden[5];
    let (double, single) = (end::<f64>(Precision::F64), end::<f32>(Precision::F32));
    assert!((double - wanted).abs() <= 1e-6 * wanted, "{double} instead of {wanted}");
    assert!((single - wanted).abs() <= 1e-3 * wanted, "{single} instead of {wanted}");
}
