//! IAKERB, with the KDC asked by the server.
