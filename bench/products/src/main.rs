//! GFLOP/s of our matrix product beside gemm, faer, matrixmultiply and OpenBLAS, on the shapes of the workloads: `cargo run --release`.
//!
//! One thread, f32; the best of several runs by CPU time, taken in turn. A layer of I inputs and U units on B rows needs three products: forward
//! x Wᵀ `[B, U]`, the slope of the weights dᵀ x `[U, I]`, and the slope of the inputs d W `[B, I]`. Above them stands what this core's fused
//! multiply-adds give at most. OpenBLAS is the one that `OPENBLAS` names (numpy brings one), and is left out where there is none.

mod openblas;
mod peak;

#[allow(dead_code, unused_imports)]
#[path = "../../../src/num/mod.rs"]
mod num;

use num::{Matrix, Packed, Threads, product};
use openblas::OpenBlas;

/// B, I, U.
const SHAPES: [(usize, usize, usize); 9] = [
    (16, 4, 16),
    (16, 16, 16),
    (32, 64, 128),
    (64, 784, 128),
    (128, 640, 128),
    (256, 784, 1024),
    (256, 1024, 1024),
    (512, 28, 300),
    (512, 300, 300),
];
const ROUNDS: usize = 9;

/// A matrix as the libraries take it: values, row step, column step.
type View<'a> = (&'a [f32], usize, usize);

fn main() {
    let blas = openblas::load();
    for (name, gflops) in peak::measure() {
        println!("fused multiply-adds of this core, {name}: {gflops:.1} GFLOP/s");
    }
    println!("OpenBLAS: {}\n", blas.as_ref().map_or("none", |blas| &blas.kernels));
    println!("| B×I×U | product | ours | gemm | faer | matrixmultiply | OpenBLAS | ours / best |\n|---|---|---|---|---|---|---|---|");
    let only = std::env::args().nth(1).unwrap_or_default();
    let mut lead = Vec::new();
    for (b, i, u) in SHAPES {
        let (x, w, d) = (numbers(b * i, 1), numbers(u * i, 2), numbers(b * u, 3));
        let cases: [(&str, View, View, (usize, usize, usize)); 3] = [
            ("forward", (&x, i, 1), (&w, 1, i), (b, i, u)),
            ("slope of weights", (&d, 1, u), (&x, i, 1), (u, b, i)),
            ("slope of inputs", (&d, u, 1), (&w, i, 1), (b, u, i)),
        ];
        for (name, left, right, shape) in cases {
            if !format!("{b}x{i}x{u} {name}").contains(&only) {
                continue;
            }
            let figures = measure(left, right, shape, blas.as_ref());
            let best = figures[1..].iter().copied().fold(0.0, f64::max);
            let [ours, gemm, faer, mm, blas] = figures;
            let lead_here = ours / best;
            println!("| {b}×{i}×{u} | {name} | {ours:.1} | {gemm:.1} | {faer:.1} | {mm:.1} | {blas:.1} | {lead_here:.2} |");
            lead.push(ours / best);
        }
    }
    lead.sort_by(f64::total_cmp);
    println!("\nours / best: least {:.2}, median {:.2}, most {:.2}", lead[0], lead[lead.len() / 2], lead[lead.len() - 1]);
}

fn measure(a: View, b: View, (m, k, n): (usize, usize, usize), blas: Option<&OpenBlas>) -> [f64; 5] {
    let mut c = vec![0.0f32; m * n];
    let (mut packed, threads) = (Packed::default(), Threads::new(1));
    let flops = 2.0 * (m * k * n) as f64;
    let times = ((5e7 / flops) as usize).max(4);
    let mut best = [f64::MAX; 5];
    for _ in 0..ROUNDS {
        for (which, best) in best.iter_mut().enumerate() {
            let began = cpu_seconds();
            for _ in 0..times {
                match which {
                    0 => product(ours(a), ours(b), None, &mut c, (m, k, n), &mut packed, &threads),
                    1 => with_gemm(a, b, &mut c, (m, k, n)),
                    2 => with_faer(a, b, &mut c, (m, k, n)),
                    3 => with_matrixmultiply(a, b, &mut c, (m, k, n)),
                    _ => blas.iter().for_each(|blas| blas.product(a, b, &mut c, (m, k, n))),
                }
                std::hint::black_box(&mut c);
            }
            *best = best.min((cpu_seconds() - began) / times as f64);
        }
    }
    if blas.is_none() {
        best[4] = f64::MAX;
    }
    best.map(|seconds| flops / seconds / 1e9)
}

fn ours((values, row, column): View<'_>) -> Matrix<'_, f32> {
    if column == 1 { Matrix::rows(values, row) } else { Matrix::transposed(values, column) }
}

fn with_gemm(a: View, b: View, c: &mut [f32], (m, k, n): (usize, usize, usize)) {
    // SAFETY: the slices are as long as the shape and the steps say.
    unsafe {
        let (c, a, b) = ((c.as_mut_ptr(), 1, n as isize), pointer(a), pointer(b));
        let one = gemm::Parallelism::None;
        gemm::gemm(m, n, k, c.0, c.1, c.2, false, a.0, a.2, a.1, b.0, b.2, b.1, 0.0, 1.0, false, false, false, one);
    }
}

fn with_matrixmultiply(a: View, b: View, c: &mut [f32], (m, k, n): (usize, usize, usize)) {
    // SAFETY: as above.
    unsafe {
        let (a, b) = (pointer(a), pointer(b));
        matrixmultiply::sgemm(m, k, n, 1.0, a.0, a.1, a.2, b.0, b.1, b.2, 0.0, c.as_mut_ptr(), n as isize, 1);
    }
}

fn with_faer(a: View, b: View, c: &mut [f32], (m, k, n): (usize, usize, usize)) {
    use faer::{Accum, MatMut, MatRef, Par};
    // SAFETY: as above.
    let (a, b, c) = unsafe {
        let view = |(from, row, column): (*const f32, isize, isize), rows, columns| {
            MatRef::from_raw_parts(from, rows, columns, row, column)
        };
        let c = MatMut::from_raw_parts_mut(c.as_mut_ptr(), m, n, n as isize, 1);
        (view(pointer(a), m, k), view(pointer(b), k, n), c)
    };
    faer::linalg::matmul::matmul(c, Accum::Replace, a, b, 1.0, Par::Seq);
}

fn pointer((values, row, column): View) -> (*const f32, isize, isize) {
    (values.as_ptr(), row as isize, column as isize)
}

/// Numbers without a pattern that a kernel could profit from.
fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let number = |i: u32| ((i ^ seed).wrapping_mul(2_654_435_761) >> 8) as f32 / 16_777_216.0 - 0.5;
    (0..count as u32).map(number).collect()
}

/// CPU time of this thread: what neighbours on the machine take does not count.
fn cpu_seconds() -> f64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}
