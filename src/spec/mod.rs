//! What a client may ask for, and the proof that it makes sense.
