//! What is known of all numbers of a column while they come in.

/// What is known of all numbers of a column.
pub(super) struct Seen {
    pub(super) present: usize,
    pub(super) first: f64,
    pub(super) last: f64,
    pub(super) all_equal: bool,
    pub(super) all_whole: bool,
    /// Each is larger than the one before, or each smaller.
    pub(super) rising: bool,
    pub(super) falling: bool,
}

impl Seen {
    pub(super) fn new() -> Seen {
        Seen {
            present: 0,
            first: f64::NAN,
            last: f64::NAN,
            all_equal: true,
            all_whole: true,
            rising: true,
            falling: true,
        }
    }

    pub(super) fn see(&mut self, values: &[f64]) {
        // Most columns have shown all there is to see after some rows.
        if !(self.rising || self.falling || self.all_equal || self.all_whole) {
            self.present += values.iter().filter(|x| !x.is_nan()).count();
            return;
        }
        for &x in values.iter().filter(|x| !x.is_nan()) {
            if self.present == 0 {
                self.first = x;
            } else {
                self.rising &= self.last < x;
                self.falling &= self.last > x;
            }
            self.present += 1;
            self.last = x;
            self.all_equal &= x == self.first;
            self.all_whole &= x.trunc() == x;
        }
    }
}
