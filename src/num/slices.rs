//! The plainest loops over slices, compiled for wide registers. Slices are taken over the shorter length.

use super::{Pass, Real, run};

macro_rules! loops {
    ($($(#[$doc:meta])* pub fn $name:ident($($factor:ident)?) $pass:ident: |$x:ident, $y:ident| $value:expr;)*) => {$(
        struct $pass<'a, T> {
            x: &'a mut [T],
            y: &'a [T],
            $($factor: T,)?
        }

        impl<T: Real> Pass for $pass<'_, T> {
            type Output = ();

            #[inline(always)]
            fn run(self) {
                $(let $factor = self.$factor;)?
                for ($x, &$y) in self.x.iter_mut().zip(self.y) {
                    *$x = $value;
                }
            }
        }

        $(#[$doc])*
        pub fn $name<T: Real>(x: &mut [T], $($factor: T,)? y: &[T]) {
            run($pass { x, y, $($factor,)? });
        }
    )*};
}

loops! {
    /// x += y.
    pub fn add() Add: |x, y| *x + y;
    /// x *= y, element by element.
    pub fn multiply() Multiply: |x, y| *x * y;
    /// x += factor · y, in fused steps.
    pub fn add_scaled(factor) AddScaled: |x, y| factor.mul_add(y, *x);
}

/// x *= factor.
pub fn scale<T: Real>(x: &mut [T], factor: T) {
    run(Scale { x, factor });
}

struct Scale<'a, T> {
    x: &'a mut [T],
    factor: T,
}

impl<T: Real> Pass for Scale<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for x in self.x {
            *x *= self.factor;
        }
    }
}
