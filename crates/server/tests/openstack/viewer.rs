//! A viewer that presents a token by CONNECT, and the screen that it sees.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const OK: &str = "HTTP/1.1 200 OK\r\n\r\n";
const GREETING: &[u8] = b"RFB 003.008\n";

/// An open console.
pub(crate) struct Viewer {
    stream: TcpStream,
    /// The screen's name (RFC 6143 §7.3.2).
    pub(crate) name: String,
}

impl Viewer {
    /// Opens a console. The error is the status line, or RFB's own reason if the refusal comes in
    /// RFB.
    pub(crate) async fn connect(address: SocketAddr, token: &str) -> Result<Self, String> {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("CONNECT /console?token={token} HTTP/1.0\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = text(&mut stream, OK.len()).await;
        if answer != OK {
            let mut answer = answer.into_bytes();
            stream.read_to_end(&mut answer).await.unwrap();
            let answer = String::from_utf8(answer).unwrap();
            return Err(answer.lines().next().unwrap_or_default().to_owned());
        }
        assert_eq!(text(&mut stream, GREETING.len()).await.as_bytes(), GREETING);
        stream.write_all(GREETING).await.unwrap();
        // No security type: a reason follows (RFC 6143 §7.1.2).
        if stream.read_u8().await.unwrap() == 0 {
            let length = stream.read_u32().await.unwrap() as usize;
            return Err(text(&mut stream, length).await);
        }
        assert_eq!(stream.read_u8().await.unwrap(), 1, "None alone is offered");
        stream.write_all(&[1]).await.unwrap();
        assert_eq!(stream.read_u32().await.unwrap(), 0);
        stream.write_all(&[1]).await.unwrap();
        let mut init = [0; 20];
        stream.read_exact(&mut init).await.unwrap();
        let length = stream.read_u32().await.unwrap() as usize;
        let name = text(&mut stream, length).await;
        Ok(Self { stream, name })
    }

    /// Waits until the other side ends it.
    pub(crate) async fn ended(mut self) {
        let _ = tokio::io::copy(&mut self.stream, &mut tokio::io::sink()).await;
    }
}

async fn text(stream: &mut TcpStream, length: usize) -> String {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await.unwrap();
    String::from_utf8(bytes).unwrap()
}
