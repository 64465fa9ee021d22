//! The device's side of what a session has bound, copied in few large pieces on a stream of its own (CUDA).
//!
//! One allocation mirrors the host's memory piece by piece (pieces.rs); the tensors that the session binds are parts of it. `start` begins
//! copies and returns; `wait` is due before the session runs and before the host's side is read or written again. Host memory is pinned
//! where the driver allows it.

#![allow(unsafe_code)]

use std::collections::BTreeMap;
use std::ffi::CString;
use std::ops::Range;
use std::sync::Arc;

use ort::memory::{Allocator, MemoryInfo};
use ort::session::Session;
use ort::value::TensorElementType;

use crate::cuda::{Context, Pin, Stream};
use crate::error::{Error, Result};
use crate::pieces::{self, Piece, Plan};
use crate::provider::{self, Provider, Role, TensorValue};
use crate::store::mapping::PAGE;

/// Bytes between two inputs that are copied as well, where that makes them one piece.
const GAP: usize = 4096;

/// A tensor to be bound.
pub struct Port {
    pub name: CString,
    pub role: Role,
    /// Addresses on the host.
    pub host: Range<usize>,
    pub shape: Vec<i64>,
    pub kind: TensorElementType,
}

/// Dropped before the host's memory and before the session; its own fields in the order in which they depend on each other.
pub struct LargeBuffers {
    stream: Stream,
    is_pending: bool,
    ports: Vec<Port>,
    pieces: Vec<(Role, Piece)>,
    /// Address of the device's memory.
    base: u64,
    values: Vec<TensorValue>,
    memory: Option<TensorValue>,
    allocator: Allocator,
    pins: Vec<Arc<Pin>>,
    context: Arc<Context>,
    info: MemoryInfo<'static>,
}

impl LargeBuffers {
    pub fn of(context: &Arc<Context>, provider: &Provider, session: &Session) -> Result<Self> {
        let info = || provider.memory().map_err(failed);
        Ok(Self {
            stream: context.stream()?,
            is_pending: false,
            ports: Vec::new(),
            pieces: Vec::new(),
            base: 0,
            values: Vec::new(),
            memory: None,
            allocator: Allocator::new(session, info()?).map_err(failed)?,
            pins: Vec::new(),
            context: context.clone(),
            info: info()?,
        })
    }

    pub fn add(&mut self, port: Port) {
        self.ports.push(port);
    }

    /// Makes the device's memory for all ports. `regions`: memory of the host that they lie in; it outlives this.
    pub fn place(&mut self, regions: &[Range<usize>]) -> Result<()> {
        let mut places = vec![0; self.ports.len()];
        let mut bytes = 0;
        let roles = [(Role::Result, 0), (Role::Slab, pieces::PADDING), (Role::Carried, 0), (Role::State, GAP), (Role::Batch, GAP)];
        for (role, gap) in roles {
            let of_role: Vec<usize> = (0..self.ports.len()).filter(|&index| self.ports[index].role == role).collect();
            let parts: Vec<Range<usize>> = of_role.iter().map(|&index| self.ports[index].host.clone()).collect();
            let Plan { pieces, places: planned, bytes: size } = pieces::plan(&parts, regions, gap);
            of_role.iter().zip(planned).for_each(|(&index, place)| places[index] = bytes + place);
            self.pieces.extend(pieces.into_iter().map(|piece| (role, Piece { device: bytes + piece.device, ..piece })));
            bytes = (bytes + size).next_multiple_of(pieces::PIECE_ALIGNMENT);
        }
        let memory = TensorValue::on(&self.allocator, &[bytes.max(1) as i64], TensorElementType::Uint8).map_err(failed)?;
        let base = memory.address().map_err(failed)?;
        self.memory = Some(memory);
        self.base = base as u64;
        for (port, place) in self.ports.iter().zip(places) {
            // SAFETY: the plan gives each port room in the allocation, which lives longer than the tensors.
            let value =
                unsafe { TensorValue::at(&self.info, base.cast::<u8>().wrapping_add(place), port.host.len(), &port.shape, port.kind) };
            self.values.push(value.map_err(failed)?);
        }
        let used = |region: &&Range<usize>| self.pieces.iter().any(|(_, piece)| region.contains(&piece.host.start));
        let large = regions.iter().filter(|region| region.len() >= PAGE).filter(used);
        self.pins = large.filter_map(|region| self.context.pin(region.clone())).collect();
        Ok(())
    }

    /// The ports with what the session binds.
    pub fn bound(&self) -> impl Iterator<Item = (&Port, &TensorValue)> {
        self.ports.iter().zip(&self.values)
    }

    /// Begins to copy inputs to the device, or outputs to the host, behind what was begun before.
    pub fn start(&mut self, role: Role) -> Result<()> {
        self.is_pending = true;
        for (_, Piece { host, device }) in self.pieces.iter().filter(|(of, _)| *of == role) {
            let device = self.base + *device as u64;
            // SAFETY: the ranges live as long as this, which waits before it goes; who uses them waits first, as the header says.
            unsafe {
                match role {
                    Role::Result | Role::Slab => self.stream.to_host(host.start, device, host.len())?,
                    Role::Batch | Role::Carried | Role::State => self.stream.to_device(device, host.start, host.len())?,
                }
            }
        }
        Ok(())
    }

    /// Begins to copy what the last run has left for the slab to where the next reads it, on the device.
    pub fn carry(&mut self) -> Result<()> {
        self.is_pending = true;
        for (_, to) in self.pieces.iter().filter(|(of, _)| *of == Role::Carried) {
            let holds =
                |(role, from): &&(Role, Piece)| *role == Role::Slab && from.host.start <= to.host.start && to.host.end <= from.host.end;
            let found = self.pieces.iter().find(holds);
            let (_, from) = found.ok_or_else(|| Error::Internal("an input is carried that is no output".into()))?;
            let source = self.base + (from.device + to.host.start - from.host.start) as u64;
            // SAFETY: two parts of the device's memory, which lives as long as this; who uses it waits first, as the header says.
            unsafe { self.stream.on_device(self.base + to.device as u64, source, to.host.len())? };
        }
        Ok(())
    }

    /// Returns when everything that was begun is done.
    pub fn wait(&mut self) -> Result<()> {
        if self.is_pending {
            self.stream.wait()?;
            self.is_pending = false;
        }
        Ok(())
    }

    pub fn is_pending(&self) -> bool {
        self.is_pending
    }

    /// What the allocator has counted, by the runtime's names.
    pub fn statistics(&self) -> ort::Result<BTreeMap<String, f64>> {
        provider::statistics(&self.allocator)
    }
}

fn failed(error: ort::Error) -> Error {
    Error::Device(format!("ONNX Runtime failed: {error}"))
}
