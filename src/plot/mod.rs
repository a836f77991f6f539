//! Pictures as SVG, from plain numbers.
