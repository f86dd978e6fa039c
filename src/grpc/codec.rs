//! Messages as prost reads them, unless they have so many parts that reading them would cost a multiple of their size in
//! memory: four million empty nodes are 8 MiB on the wire and 600 MiB as values.

use prost::{Message, decode_length_delimiter};
use tonic::{
    Status,
    codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};
use tonic_prost::{ProstCodec, ProstDecoder, ProstEncoder};

use bytes::Buf as _;

/// Most fields of a message, elements of a list counted each: several times the nodes of the largest group
/// ([`crate::core::node_group::MAX_NODES`]).
const MAX_FIELDS: usize = 1 << 16;

/// [`ProstCodec`] that refuses messages of more than 65,536 fields.
#[derive(Debug)]
pub struct BoundedCodec<T, U>(ProstCodec<T, U>);

impl<T, U> Default for BoundedCodec<T, U> {
    fn default() -> Self {
        Self(ProstCodec::new())
    }
}

impl<T, U> Codec for BoundedCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ReservingEncoder<T>;
    type Decoder = BoundedDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ReservingEncoder(self.0.encoder())
    }

    fn decoder(&mut self) -> Self::Decoder {
        BoundedDecoder(self.0.decoder())
    }
}

/// Writes messages of a [`BoundedCodec`] into a buffer of their size, rather than into one that grows while they are written: the
/// nodes of a large group exceed tonic's first 8 KiB.
#[derive(Debug)]
pub struct ReservingEncoder<T>(ProstEncoder<T>);

impl<T: Message> Encoder for ReservingEncoder<T> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, message: T, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.reserve(message.encoded_len());
        self.0.encode(message, buffer)
    }

    fn buffer_settings(&self) -> BufferSettings {
        self.0.buffer_settings()
    }
}

/// Reads messages of a [`BoundedCodec`].
#[derive(Debug)]
pub struct BoundedDecoder<U>(ProstDecoder<U>);

impl<U: Message + Default> Decoder for BoundedDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        // tonic hands a message over in one piece.
        if has_more_fields(buffer.chunk(), MAX_FIELDS) {
            return Err(Status::invalid_argument(format!("the message has more than {MAX_FIELDS} parts")));
        }
        self.0.decode(buffer)
    }

    fn buffer_settings(&self) -> BufferSettings {
        self.0.buffer_settings()
    }
}

/// Whether a message has more fields than that, as far as it is one; what is wrong with the rest is prost's to say.
fn has_more_fields(mut message: &[u8], most: usize) -> bool {
    for _ in 0..most {
        match rest_after_field(message) {
            Some(rest) => message = rest,
            None => return false,
        }
    }
    !message.is_empty()
}

/// What follows the first field (protobuf's encoding, "Message Structure"); nothing if there is no whole one.
fn rest_after_field(mut message: &[u8]) -> Option<&[u8]> {
    let key = decode_length_delimiter(&mut message).ok()?;
    let length = match key & 7 {
        0 => {
            decode_length_delimiter(&mut message).ok()?;
            0
        }
        1 => 8,
        2 => decode_length_delimiter(&mut message).ok()?,
        5 => 4,
        _ => return None,
    };
    message.get(length..)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpc::externalgrpc::{ExternalGrpcNode, NodeGroupDeleteNodesRequest};

    #[test]
    fn the_fields_of_a_message_are_counted_each() {
        let message = NodeGroupDeleteNodesRequest {
            nodes: vec![ExternalGrpcNode { name: "x".repeat(200), ..ExternalGrpcNode::default() }; 9],
            id: "pool".to_owned(),
        }
        .encode_to_vec();
        assert!(has_more_fields(&message, 9));
        assert!(!has_more_fields(&message, 10));
        // Kinds 0, 1, 5 and 2.
        let kinds = [8, 150, 1, 17, 0, 0, 0, 0, 0, 0, 0, 0, 29, 0, 0, 0, 0, 34, 1, 9];
        assert!(has_more_fields(&kinds, 3) && !has_more_fields(&kinds, 4));
    }

    #[test]
    fn what_is_no_message_is_left_to_prost() {
        for noise in [&[][..], &[0xff; 64], &[34, 200, 1], &[17, 0], &[11]] {
            assert!(!has_more_fields(noise, 1), "{noise:?}");
        }
    }
}
