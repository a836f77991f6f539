//! Elementary functions that give the same bits on every machine.

/// In f32: computed in f64 by the pure-Rust `libm` and rounded once.
pub(super) mod single {
    macro_rules! through_double {
        ($($name:ident => $function:path),*) => {$(
            #[inline]
            pub fn $name(x: f32) -> f32 {
                $function(f64::from(x)) as f32
            }
        )*};
    }
    through_double!(exp => libm::exp, exp_m1 => libm::expm1, ln => libm::log, ln_1p => libm::log1p, tanh => libm::tanh, erf => libm::erf);
}

/// In f64: the pure-Rust `libm`.
pub(super) mod double {
    pub use libm::{erf, exp, expm1 as exp_m1, log as ln, log1p as ln_1p, tanh};
}
