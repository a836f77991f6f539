//! Elementary functions that give the same bits on every machine.
//!
//! In f32 they are polynomials in fused steps, within 2 units in the last place, and have no branches but selections, so that a
//! loop over a slice vectorises. `tests/golden/elementary_fit.py` makes the coefficients. In f64 they are those of the pure-Rust
//! `libm`.

/// In f32: our own.
pub(super) mod single {
    const LOG2_E: f32 = std::f32::consts::LOG2_E;
    /// ln 2 as the sum of two numbers.
    const LN_2: (f32, f32) = (std::f32::consts::LN_2, -1.904_654_2e-9);
    /// Added to a number below 2²², it leaves the nearest whole number in the low bits.
    const ROUNDER: f32 = 12_582_912.0;

    /// c[0] xⁿ + … + c[n], by Horner's rule.
    #[inline(always)]
    fn polynomial<const N: usize>(x: f32, c: [f32; N]) -> f32 {
        let mut y = c[0];
        for c in &c[1..] {
            y = y.mul_add(x, *c);
        }
        y
    }

    /// 2ⁿ for -126 ≤ n ≤ 127.
    #[inline(always)]
    fn two_to(n: i32) -> f32 {
        f32::from_bits((n.wrapping_add(127) as u32) << 23)
    }

    /// The smaller of the two, or NaN.
    #[inline(always)]
    fn at_most(x: f32, limit: f32) -> f32 {
        if x > limit { limit } else { x }
    }

    /// The larger of the two, or NaN.
    #[inline(always)]
    fn at_least(x: f32, limit: f32) -> f32 {
        if x < limit { limit } else { x }
    }

    /// x = n ln 2 + r with |r| ≤ ln 2 / 2; gives n and exp(r) - 1.
    #[inline(always)]
    fn reduced(x: f32) -> (i32, f32) {
        let rounded = x.mul_add(LOG2_E, ROUNDER);
        let n = rounded - ROUNDER;
        let r = n.mul_add(-LN_2.1, n.mul_add(-LN_2.0, x));
        let q = [0.000_197_607_88, 0.001_393_232, 0.008_333_547, 0.041_666_493, 0.166_666_66, 0.5];
        let power = (r * r).mul_add(polynomial(r, q), r);
        (rounded.to_bits().wrapping_sub(ROUNDER.to_bits()) as i32, power)
    }

    #[inline(always)]
    pub fn exp(x: f32) -> f32 {
        // Beyond these limits the result is infinite or 0 anyway.
        let (n, power) = reduced(at_least(at_most(x, 89.0), -104.0));
        let half = n >> 1; // in two steps, for results below the smallest normal number
        (power + 1.0) * two_to(half) * two_to(n.wrapping_sub(half))
    }

    #[inline(always)]
    pub fn exp_m1(x: f32) -> f32 {
        let (n, power) = reduced(at_least(at_most(x, 89.0), -30.0));
        // Half the result, since 2¹²⁸ is no number.
        let scale = two_to(n.wrapping_sub(1));
        2.0 * power.mul_add(scale, scale - 0.5)
    }

    /// x = m 2ᵉ with √½ ≤ m < √2, for normal x > 0; gives e and m.
    #[inline(always)]
    fn split(x: f32) -> (i32, f32) {
        const ROOT_OF_HALF: u32 = 0x3f35_04f3;
        let e = (x.to_bits().wrapping_sub(ROOT_OF_HALF) as i32) >> 23;
        (e, f32::from_bits(x.to_bits().wrapping_sub((e as u32) << 23)))
    }

    /// e ln 2 + ln(1 + f).
    #[inline(always)]
    fn ln_of_parts(e: f32, f: f32) -> f32 {
        let p = [
            0.068_030_18,
            -0.117_218_465,
            0.118_852_206,
            -0.123_961_69,
            0.142_187_31,
            -0.166_686_52,
            0.200_022_01,
            -0.249_999_94,
            0.333_333_1,
        ];
        let square = f * f;
        let rest = (polynomial(f, p) * f).mul_add(square, e * LN_2.1);
        e.mul_add(LN_2.0, f + square.mul_add(-0.5, rest))
    }

    #[inline(always)]
    pub fn ln(x: f32) -> f32 {
        let tiny = x < f32::MIN_POSITIVE;
        let normal = if tiny { x * 8_388_608.0 } else { x };
        let (e, m) = split(normal);
        let e = e as f32 - if tiny { 23.0 } else { 0.0 };
        at_the_edges(x, ln_of_parts(e, m - 1.0))
    }

    #[inline(always)]
    pub fn ln_1p(x: f32) -> f32 {
        let y = 1.0 + x;
        // What the sum lost.
        let lost = if x > 1.0 { 1.0 - (y - x) } else { x - (y - 1.0) };
        let (e, m) = split(y);
        let unscale = two_to(e.wrapping_neg().max(-126));
        at_the_edges(y, ln_of_parts(e as f32, lost.mul_add(unscale, m - 1.0)))
    }

    /// The logarithm of what has an ordinary one, and of what has not.
    #[inline(always)]
    fn at_the_edges(x: f32, ordinary: f32) -> f32 {
        let special = if x == 0.0 {
            f32::NEG_INFINITY
        } else if x < 0.0 {
            f32::NAN
        } else {
            x
        };
        if x > 0.0 && x < f32::INFINITY { ordinary } else { special }
    }

    #[inline(always)]
    pub fn tanh(x: f32) -> f32 {
        let size = x.abs();
        let square = size * size;
        let p = [-0.005_897_966_7, 0.020_798_625, -0.053_784_717, 0.133_319_36, -0.333_333];
        let near = (size * square).mul_add(polynomial(square, p), size);
        let (n, power) = reduced(at_most(size + size, 20.0));
        let far = 1.0 - 2.0 / (power.mul_add(two_to(n), two_to(n)) + 1.0);
        (if size < 0.55 { near } else { far }).copysign(x)
    }

    #[inline(always)]
    pub fn erf(x: f32) -> f32 {
        let size = at_most(x.abs(), 4.0); // erf 4 rounds to 1
        let square = size * size;
        let r = [-0.000_595_957_86, 0.004_987_352, -0.026_762_966, 0.112_817_31, -0.376_124_9, 0.128_379_15];
        let near = size.mul_add(polynomial(square, r), size);
        let s = [-0.000_213_991_17, 0.003_214_991, -0.022_890_039, 0.105_261_914, 0.635_718_3, 0.128_514_36];
        let (n, power) = reduced(-size.mul_add(polynomial(size, s), size));
        let far = 1.0 - power.mul_add(two_to(n), two_to(n));
        (if size < 0.925 { near } else { far }).copysign(x)
    }
}

/// In f64: the pure-Rust `libm`.
pub(super) mod double {
    pub use libm::{erf, exp, expm1 as exp_m1, log as ln, log1p as ln_1p, tanh};
}

#[cfg(test)]
mod tests {
    use super::{double, single};
    use crate::num::{Pass, run, sets, with_set};

    /// How many f32 lie between the two, half a one counted as such.
    fn units_apart(seen: f32, exact: f64) -> f64 {
        let nearest = exact as f32;
        if seen == nearest || (seen.is_nan() && nearest.is_nan()) {
            return 0.0;
        }
        if !seen.is_finite() || !nearest.is_finite() {
            // Rounding up to infinity is one step from the largest number.
            return if seen.abs().max(nearest.abs()) == f32::INFINITY && seen.abs().min(nearest.abs()) == f32::MAX {
                1.0
            } else {
                f64::INFINITY
            };
        }
        let unit = f64::from(f32::from_bits(nearest.abs().to_bits() + 1)) - f64::from(nearest.abs());
        (f64::from(seen) - exact).abs() / unit
    }

    /// Numbers of every sign and exponent (subnormal, infinite and NaN ones among them), `steps` of each.
    fn numbers(steps: u32) -> impl Iterator<Item = f32> {
        (0..512u32)
            .flat_map(move |top| (0..steps).map(move |step| f32::from_bits((top << 23) + step * ((1 << 23) / steps))))
    }

    #[test]
    fn single_precision_is_within_two_units_for_every_exponent() {
        type Pair = (&'static str, fn(f32) -> f32, fn(f64) -> f64);
        let functions: [Pair; 6] = [
            ("exp", single::exp, double::exp),
            ("exp_m1", single::exp_m1, double::exp_m1),
            ("ln", single::ln, double::ln),
            ("ln_1p", single::ln_1p, double::ln_1p),
            ("tanh", single::tanh, double::tanh),
            ("erf", single::erf, double::erf),
        ];
        for (name, seen, exact) in functions {
            let worst = numbers(997)
                .map(|x| (units_apart(seen(x), exact(f64::from(x))), x))
                .max_by(|x, y| x.0.total_cmp(&y.0))
                .unwrap();
            println!("{name}: {:.3} units at {:e}", worst.0, worst.1);
            assert!(worst.0 <= 2.0, "{name}({:e}) is {} units off", worst.1, worst.0);
        }
    }
    struct Each<'a> {
        which: usize,
        x: &'a [f32],
        y: &'a mut [f32],
    }

    impl Pass for Each<'_> {
        type Output = ();

        #[inline(always)]
        fn run(self) {
            let Each { x, y, .. } = self;
            // Named one by one, so that they are inlined and compiled for the registers of the set.
            let all = y.iter_mut().zip(x);
            match self.which {
                0 => all.for_each(|(y, &x)| *y = single::exp(x)),
                1 => all.for_each(|(y, &x)| *y = single::exp_m1(x)),
                2 => all.for_each(|(y, &x)| *y = single::ln(x)),
                3 => all.for_each(|(y, &x)| *y = single::ln_1p(x)),
                4 => all.for_each(|(y, &x)| *y = single::tanh(x)),
                _ => all.for_each(|(y, &x)| *y = single::erf(x)),
            }
        }
    }

    #[test]
    fn every_set_of_instructions_gives_the_same_bits() {
        let functions = [single::exp, single::exp_m1, single::ln, single::ln_1p, single::tanh, single::erf];
        let x: Vec<f32> = numbers(61).collect();
        for (which, function) in functions.into_iter().enumerate() {
            let expected: Vec<f32> = x.iter().map(|x| function(*x)).collect();
            for set in sets() {
                let mut y = vec![0.0; x.len()];
                with_set(set, || run(Each { which, x: &x, y: &mut y }));
                let same = |(seen, expected): (&f32, &f32)| {
                    seen.to_bits() == expected.to_bits() || seen.is_nan() && expected.is_nan()
                };
                let other = y.iter().zip(&expected).position(|pair| !same(pair));
                assert!(other.is_none(), "function {which} of {:e} differs with {set:?}", x[other.unwrap()]);
            }
        }
    }
}
