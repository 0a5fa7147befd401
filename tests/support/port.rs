//! A port for a server that a test starts as a process and must know the port before it does.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpSocket;

/// A port of this machine that belongs to its owner until this is dropped. A port that is only
/// found free can be taken by any other test or connection before the server listens at it; this
/// one is bound and does not listen, so that the operating system assigns it to no other socket.
/// The server shares it, because it allows the reuse of its address, as nearly all servers do.
#[derive(Debug)]
pub struct ReservedPort {
    address: SocketAddr,
    _socket: TcpSocket,
}

impl ReservedPort {
    pub fn reserve() -> Self {
        let reserve = || {
            let socket = TcpSocket::new_v4()?;
            socket.set_reuseaddr(true)?;
            socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
            let address = socket.local_addr()?;
            std::io::Result::Ok(Self {
                address,
                _socket: socket,
            })
        };
        reserve().expect("a free port")
    }

    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    pub const fn number(&self) -> u16 {
        self.address.port()
    }
}

#[test]
fn a_reserved_port_is_for_a_server_only() {
    let port = ReservedPort::reserve();
    let connected = std::net::TcpStream::connect(port.address());
    assert!(connected.is_err(), "nothing listens yet");
    let server = std::net::TcpListener::bind(port.address()).expect("the server shares it");
    std::net::TcpStream::connect(port.address()).expect("the server listens");
    // Neither a server that ended nor one that runs gives the port to another socket.
    drop(server);
    let others: Vec<_> = (0..2_000).map(|_| ReservedPort::reserve()).collect();
    assert!(others.iter().all(|other| other.number() != port.number()));
}
