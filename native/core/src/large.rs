//! The device's side of what a session has bound, copied in few large pieces on a stream of its own (CUDA).
//!
//! One allocation mirrors the host's memory piece by piece (pieces.rs); the tensors that the session binds are parts of it. `start` begins
//! copies and returns; `wait` is due before the session runs and before the host's side is read or written again. Host memory is pinned
//! where the driver allows it. Gradients may be on their way already while the session still runs (publish.rs).

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
use crate::publish::{Group, Outlet, Publisher, Up};
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
    /// Waits for the stream when it goes.
    stream: Arc<Stream>,
    publisher: Arc<Publisher>,
    /// All of the slab, once it is placed.
    outlet: Option<Arc<Outlet>>,
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
    /// `publisher`: that with which the session was built.
    pub fn of(context: &Arc<Context>, provider: &Provider, session: &Session, publisher: Arc<Publisher>) -> Result<Self> {
        let info = || provider.memory().map_err(failed);
        Ok(Self {
            stream: Arc::new(context.stream()?),
            publisher,
            outlet: None,
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
        let outputs = [(Role::Result, 0), (Role::Slab, pieces::PADDING), (Role::Unread, 0)];
        let roles = outputs.into_iter().chain([(Role::Carried, 0), (Role::State, GAP), (Role::Batch, GAP)]);
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
        self.place_outlet(regions)
    }

    /// Groups the gradients as the session's nodes publish them; what none publishes is the last group. A copy to memory that is not pinned
    /// would hold up the run.
    fn place_outlet(&mut self, regions: &[Range<usize>]) -> Result<()> {
        let nodes = if self.context.refusal().is_none() { self.publisher.nodes() } else { Vec::new() };
        let of_slab = |index: &usize| self.ports[*index].role == Role::Slab;
        let mut groups = Vec::new();
        let mut rest: Vec<usize> = (0..self.ports.len()).filter(of_slab).collect();
        for names in &nodes {
            let port = |name: &String| rest.iter().position(|&at| self.ports[at].name.to_bytes() == name.as_bytes());
            let found = names.iter().map(|name| port(name).map(|at| rest[at]).ok_or(name));
            let found = found.collect::<std::result::Result<Vec<_>, _>>();
            let found = found.map_err(|name| Error::Internal(format!("{name} is published, and is no gradient or published twice")))?;
            rest.retain(|index| !found.contains(index));
            groups.push(self.group(&found, regions)?);
        }
        groups.push(self.group(&rest, regions)?);
        // SAFETY: the header says who waits when; the device's memory and the host's live longer than the stream's copies.
        let outlet = unsafe { Outlet::new(self.stream.clone(), groups) };
        self.outlet = Some(outlet);
        Ok(())
    }

    /// The copies of some ports of the slab.
    fn group(&self, ports: &[usize], regions: &[Range<usize>]) -> Result<Group> {
        let parts: Vec<Range<usize>> = ports.iter().map(|&index| self.ports[index].host.clone()).collect();
        let inputs = parts.iter().map(|part| self.on_device(part)).collect::<Result<_>>()?;
        let planned = pieces::plan(&parts, regions, pieces::PADDING).pieces;
        let up = |Piece { host, .. }: Piece| Ok(Up { host: host.start, device: self.on_device(&host)?, bytes: host.len() });
        Ok(Group { inputs, copies: planned.into_iter().map(up).collect::<Result<_>>()?, ..Group::default() })
    }

    /// Where a part of the slab, outputs and padding, lies on the device.
    fn on_device(&self, host: &Range<usize>) -> Result<u64> {
        let holds = |(role, piece): &&(Role, Piece)| *role == Role::Slab && piece.host.start <= host.start && host.end <= piece.host.end;
        let (_, piece) = self.pieces.iter().find(holds).ok_or_else(|| Error::Internal("part of the slab is no output".into()))?;
        Ok(self.base + (piece.device + host.start - piece.host.start) as u64)
    }

    /// To be called before a run. `publish`: gradients go up to the slab as they are finished.
    pub fn begin_run(&mut self, publish: bool) {
        self.is_pending = true;
        if let Some(outlet) = &self.outlet {
            outlet.open(publish);
            self.publisher.connect(outlet);
        }
    }

    /// The ports with what the session binds.
    pub fn bound(&self) -> impl Iterator<Item = (&Port, &TensorValue)> {
        self.ports.iter().zip(&self.values)
    }

    /// Begins to copy inputs to the device, or outputs to the host, behind what was begun before. What of the slab is on its way already is
    /// not copied again.
    pub fn start(&mut self, role: Role) -> Result<()> {
        self.is_pending = true;
        if role == Role::Slab {
            return self.outlet.iter().try_for_each(|outlet| outlet.begin_rest());
        }
        for (_, Piece { host, device }) in self.pieces.iter().filter(|(of, _)| *of == role) {
            let device = self.base + *device as u64;
            // SAFETY: the ranges live as long as this, which waits before it goes; who uses them waits first, as the header says.
            unsafe {
                match role {
                    Role::Result => self.stream.to_host(host.start, device, host.len())?,
                    Role::Batch | Role::Carried | Role::State => self.stream.to_device(device, host.start, host.len())?,
                    Role::Slab | Role::Unread => {}
                }
            }
        }
        Ok(())
    }

    /// Begins to copy what the last run has left for the slab to where the next reads it, on the device.
    pub fn carry(&mut self) -> Result<()> {
        self.is_pending = true;
        for (_, to) in self.pieces.iter().filter(|(of, _)| *of == Role::Carried) {
            let source = self.on_device(&to.host)?;
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
