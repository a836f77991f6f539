//! What all methods have in common. That each follows PyTorch is shown in `tests/numerics`.

use super::*;

const ROWS: usize = 6;
const DIM: usize = 3;

/// A table and a bias.
fn layout() -> Layout {
    let mut layout = Layout::default();
    layout.push("embedding.words.weight", Role::Embedding, &[ROWS, DIM]);
    layout.push("hidden.0.bias", Role::Bias, &[4]);
    layout
}

fn methods() -> Vec<Method> {
    let momentum = |momentum, nesterov, form| Sgd { momentum, nesterov, form, dampening: 0.1 };
    vec![
        Method::Sgd(Sgd::default()),
        Method::Sgd(momentum(Momentum::Constant(0.9), false, MomentumForm::Pytorch)),
        Method::Sgd(momentum(Momentum::Constant(0.9), true, MomentumForm::Classical)),
        Method::Adagrad(Adagrad { learning_rate_decay: 0.1, ..Adagrad::default() }),
        Method::Rmsprop(Rmsprop { centered: true, momentum: 0.5, ..Rmsprop::default() }),
        Method::Adadelta(Adadelta::default()),
        Method::Adam(Adam { amsgrad: true, ..Adam::default() }),
        Method::AdamW(Adam::default()),
        Method::Nadam(Nadam::default()),
    ]
}

/// The rows that step `t` touches.
fn touched(t: u32) -> Vec<u32> {
    if t.is_multiple_of(3) { vec![4, 1] } else { vec![t % ROWS as u32] }
}

/// Takes `steps` steps; `form` is `None` for a dense pass over the same gradients.
fn walk(optimizer: &Optimizer, form: Option<Sparse>, steps: u32) -> Vec<f64> {
    let layout = layout();
    let mut params: Vec<f64> = (0..layout.len()).map(|i| 0.1 * i as f64 - 0.7).collect();
    let mut state = optimizer.state(&layout);
    for t in 0..steps {
        let rows = touched(t);
        let mut gradient = vec![0.0; layout.len()];
        for &row in &rows {
            (0..DIM).for_each(|k| gradient[row as usize * DIM + k] = 0.3 - 0.1 * k as f64 + 0.01 * f64::from(t));
        }
        gradient[ROWS * DIM..].fill(0.2);
        let of_segment = |segment: usize| match form {
            Some(form) if segment == 0 => Rows::Touched(&rows, form),
            _ => Rows::All,
        };
        let info = StepInfo { learning_rate: 0.1, epoch: 0, momentum: None };
        optimizer.step(&layout, info, &mut params, &gradient, &of_segment, &mut state);
    }
    params
}

#[test]
fn exact_sparse_steps_are_dense_steps_to_the_bit() {
    for method in methods() {
        for weight_decay in [0.0, 0.1] {
            let optimizer = Optimizer { weight_decay, ..Optimizer::new(method, 0.1) };
            assert_eq!(walk(&optimizer, Some(Sparse::Exact), 10), walk(&optimizer, None, 10), "{optimizer:?}");
        }
    }
}

#[test]
fn lazy_steps_move_touched_rows_alone() {
    for method in methods() {
        let optimizer = Optimizer::new(method, 0.1);
        let (before, after) = (walk(&optimizer, Some(Sparse::Lazy), 1), walk(&optimizer, Some(Sparse::Lazy), 2));
        let moved: Vec<usize> = (0..ROWS * DIM).filter(|i| before[*i] != after[*i]).map(|i| i / DIM).collect();
        assert_eq!(moved, [1; DIM], "{optimizer:?}");
    }
    // Plain SGD and AdaGrad know no difference.
    for method in [methods()[0], methods()[3]] {
        let optimizer = Optimizer::new(method, 0.1);
        assert_eq!(walk(&optimizer, Some(Sparse::Lazy), 10), walk(&optimizer, None, 10));
    }
}

#[test]
fn biases_decay_only_where_asked() {
    for method in methods() {
        let of_biases = |optimizer: Optimizer| walk(&optimizer, None, 3)[ROWS * DIM..].to_vec();
        let none = Optimizer::new(method, 0.1);
        let weights = Optimizer { weight_decay: 0.1, ..none };
        let all = Optimizer { weight_decay_biases: true, ..weights };
        assert_eq!(of_biases(none), of_biases(weights), "{method:?}");
        assert_ne!(of_biases(none), of_biases(all), "{method:?}");
    }
}

#[test]
fn threads_change_no_bit_of_a_step() {
    // Long enough to be worth three threads, and no multiple of what goes through a step together.
    let mut layout = Layout::default();
    layout.push("hidden.0.weight", Role::Weight, &[501, 401]);
    let numbers = |scale: f32| (0..layout.len()).map(move |i| ((i * 7919) % 1009) as f32 * scale - 0.4).collect();
    let gradient: Vec<f32> = numbers(1e-3);
    for method in methods() {
        for method in [method, Method::AdamW(Adam::default())] {
            let optimizer = Optimizer { weight_decay: 0.01, ..Optimizer::new(method, 0.1) };
            let walk = |threads: usize| {
                let (mut params, mut state): (Vec<f32>, _) = (numbers(2e-3), optimizer.state(&layout));
                let threads = Threads::new(threads);
                for _ in 0..2 {
                    let info = StepInfo { learning_rate: 0.1, epoch: 0, momentum: None };
                    optimizer.step_on(&layout, info, &mut params, &gradient, &|_| Rows::All, &mut state, &threads);
                }
                (params, state)
            };
            assert!(walk(1) == walk(3), "{optimizer:?}");
        }
    }
}

#[test]
fn a_resting_tensor_keeps_its_moments_and_its_count() {
    for method in methods() {
        let optimizer = Optimizer::new(method, 0.1);
        let layout = layout();
        let (mut params, gradient) = (vec![0.5f64; layout.len()], vec![0.1; layout.len()]);
        let mut state = optimizer.state(&layout);
        let info = StepInfo { learning_rate: 0.1, epoch: 0, momentum: None };
        let rest = |segment: usize| if segment == 1 { Rows::Resting } else { Rows::All };
        optimizer.step(&layout, info, &mut params, &gradient, &rest, &mut state);
        let bias = ROWS * DIM..layout.len();
        let fresh = optimizer.state::<f64>(&layout);
        assert!(params[bias.clone()].iter().all(|p| *p == 0.5));
        assert!(state.slots.iter().zip(&fresh.slots).all(|(a, b)| a[bias.clone()] == b[bias.clone()]));
        assert_eq!(state.scalars[SCALARS..], fresh.scalars[SCALARS..]);
        assert_eq!(state.scalars[0], 1.0);
    }
}

#[test]
fn adagrads_first_step_is_the_rate_times_the_sign() {
    let optimizer = Optimizer::new(Method::Adagrad(Adagrad::default()), 0.1);
    let layout = layout();
    let mut params = vec![0.0f64; layout.len()];
    let gradient: Vec<f64> = (0..layout.len()).map(|i| if i % 2 == 0 { 1e-3 } else { -40.0 }).collect();
    let mut state = optimizer.state(&layout);
    let info = StepInfo { learning_rate: 0.1, epoch: 0, momentum: None };
    optimizer.step(&layout, info, &mut params, &gradient, &|_| Rows::All, &mut state);
    assert!(params.iter().zip(&gradient).all(|(p, g)| (p + 0.1 * g.signum()).abs() < 1e-7));
}

/// The length that a step would have is that of the step which is then taken, over a tensor of several pieces and after any number of steps.
#[test]
fn a_step_is_as_long_as_was_told_before() {
    let mut layout = Layout::default();
    layout.push("hidden.0.weight", Role::Weight, &[90, 101]);
    layout.push("hidden.0.bias", Role::Bias, &[90]);
    let info = StepInfo { learning_rate: 0.1, epoch: 3, momentum: None };
    for method in methods() {
        for weight_decay in [0.0, 0.1] {
            let optimizer = Optimizer { weight_decay, ..Optimizer::new(method, 0.1) };
            let mut params: Vec<f64> = (0..layout.len()).map(|i| (0.37 * i as f64).sin()).collect();
            let mut state = optimizer.state(&layout);
            for t in 0..4 {
                let gradient: Vec<f64> = (0..layout.len()).map(|i| (0.11 * i as f64 + f64::from(t)).cos()).collect();
                let told = optimizer.step_length(&layout, info, &params, &gradient, 0, &state);
                let before = params.clone();
                optimizer.step(&layout, info, &mut params, &gradient, &|_| Rows::All, &mut state);
                let range = layout.segments()[0].range();
                let moved = params[range.clone()].iter().zip(&before[range]).map(|(x, y)| (x - y).powi(2)).sum::<f64>();
                assert!(moved > 0.0 && (told / moved.sqrt() - 1.0).abs() < 1e-12, "{optimizer:?}, step {t}");
            }
        }
    }
}
