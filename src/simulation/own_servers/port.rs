//! The port of a server that a run starts. The process of the run reserves it until the run is
//! over: if the server ends, no other program can listen at the port, and the buyers, who still
//! send the secret of the run to it, are refused by the operating system.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
};

use tokio::net::{TcpListener, TcpSocket};

/// Connections that may wait until the server accepts them.
const BACKLOG: u32 = 1_024;

/// A port of this machine that is reserved until this is dropped. It is bound and does not listen:
/// the operating system assigns it to no other socket, and only a process of the same user can
/// share it, by its number.
#[derive(Debug)]
pub struct ReservedPort {
    number: u16,
    _socket: TcpSocket,
}

impl ReservedPort {
    /// Reserves a free port.
    pub fn reserve() -> io::Result<Self> {
        let socket = bound_socket(0)?;
        Ok(Self {
            number: socket.local_addr()?.port(),
            _socket: socket,
        })
    }

    /// The number of the port.
    pub const fn number(&self) -> u16 {
        self.number
    }
}

/// Listens at a port that the process of the run has reserved.
pub fn listen(port: u16) -> io::Result<TcpListener> {
    bound_socket(port)?.listen(BACKLOG)
}

/// A socket that shares its port with other sockets of the same user, if all of them allow it. It
/// does not reuse the address in any other way: with `SO_REUSEADDR`, another user could.
fn bound_socket(port: u16) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseport(true)?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::{io::ErrorKind, net};

    use super::*;

    fn error_of<T>(result: io::Result<T>) -> Option<ErrorKind> {
        result.err().map(|error| error.kind())
    }

    #[tokio::test]
    async fn a_reserved_port_is_free_for_its_server_only() -> io::Result<()> {
        let port = ReservedPort::reserve()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.number()));
        let everywhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port.number()));
        let refused = Some(ErrorKind::ConnectionRefused);
        assert_eq!(error_of(net::TcpStream::connect(address)), refused);
        let server = listen(port.number())?;
        net::TcpStream::connect(address)?;
        drop(server);
        assert_eq!(error_of(net::TcpStream::connect(address)), refused);
        // The standard library's listener reuses addresses that are not in use.
        for taken in [address, everywhere] {
            let in_use = Some(ErrorKind::AddrInUse);
            assert_eq!(error_of(net::TcpListener::bind(taken)), in_use, "{taken}");
        }
        Ok(())
    }

    #[tokio::test]
    async fn a_port_is_free_again_when_its_reservation_is_dropped() -> io::Result<()> {
        let port = ReservedPort::reserve()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.number()));
        drop(port);
        net::TcpListener::bind(address)?;
        Ok(())
    }
}
