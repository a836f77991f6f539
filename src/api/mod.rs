//! HTTP in, HTTP out; one file a resource.
