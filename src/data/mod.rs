//! From bytes to typed tables, profiles, encoders and encoded examples. Knows nothing of networks or HTTP.
