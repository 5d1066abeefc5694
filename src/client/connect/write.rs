//! Transports that write as what is beneath them does.

/// Has a transport write to the one in this field: `write_to!(Outer.inner)`.
macro_rules! write_to {
    ($transport:ident.$inner:ident) => {
        impl<T: hyper::rt::Write> hyper::rt::Write for $transport<T> {
            fn poll_write(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                octets: &[u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                self.project().$inner.poll_write(cx, octets)
            }

            fn poll_flush(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                self.project().$inner.poll_flush(cx)
            }

            fn poll_shutdown(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                self.project().$inner.poll_shutdown(cx)
            }

            fn is_write_vectored(&self) -> bool {
                self.$inner.is_write_vectored()
            }

            fn poll_write_vectored(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                slices: &[std::io::IoSlice<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                self.project().$inner.poll_write_vectored(cx, slices)
            }
        }
    };
}

pub(in crate::client) use write_to;
