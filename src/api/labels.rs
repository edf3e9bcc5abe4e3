//! Keys and values of labels and annotations (spec api 8).
