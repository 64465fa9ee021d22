//! The operator that sends gradients up, over a device that computes late: a stand-in for the CUDA driver, whose default stream has done nothing yet
//! when the runtime goes on.

#![allow(unsafe_code, clippy::unwrap_used)]

#[path = "common/driver.rs"]
mod driver;
#[path = "common/library.rs"]
mod library;
#[path = "common/onnx.rs"]
mod onnx;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use driver::StandIn;
use library::runtime_library;
use onnx::{FLOAT, Graph};
use ort::memory::Allocator;
use ort::operator::{ComputeContext, Kernel, KernelContext, Operator, OperatorInput, OperatorOutput};
use ort::session::Session;
use ort::value::{Tensor, TensorElementType};
use sdp_core::cuda::Context;
use sdp_core::publish::{self, Group, Outlet, Publisher, Up};
use sdp_core::runtime;

const SIZE: usize = 64;

/// Copies its input to its output, one number after the other on the default stream; until then there is no number.
struct Late {
    driver: PathBuf,
}

struct LateKernel {
    driver: libloading::Library,
}

impl Operator for Late {
    type Kernel<'attr> = LateKernel;

    fn name(&self) -> &str {
        "Late"
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        [OperatorInput::required(TensorElementType::Float32)]
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        [OperatorOutput::required(TensorElementType::Float32)]
    }

    fn create_kernel<'attr>(&self, _: &KernelContext<'attr>) -> ort::Result<LateKernel> {
        // SAFETY: the library does nothing when it is loaded.
        Ok(LateKernel { driver: unsafe { libloading::Library::new(&self.driver) }.unwrap() })
    }
}

impl Kernel for LateKernel {
    fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
        let input = context.input(0)?.unwrap();
        let (_, from) = input.try_extract_tensor::<f32>()?;
        let mut output = context.output(0, [SIZE as i64])?.unwrap();
        let (_, to) = output.try_extract_tensor_mut::<f32>()?;
        to.fill(f32::NAN);
        type Copy = unsafe extern "C" fn(u64, u64, usize, *mut ()) -> i32;
        // SAFETY: a function of this signature in driver.c, and tensors that the test keeps until the copies are done.
        unsafe {
            let copy = self.driver.get::<Copy>("cuMemcpyDtoDAsync_v2").unwrap();
            (0..SIZE).for_each(|i| assert_eq!(copy(&raw mut to[i] as u64, &raw const from[i] as u64, 4, std::ptr::null_mut()), 0));
        }
        Ok(())
    }
}

/// x -> Late -> g, which a node publishes.
fn session(driver: &Path, publisher: &Arc<Publisher>) -> Session {
    let mut graph = Graph::default();
    graph.input("x", FLOAT, &[SIZE]);
    graph.output("g", FLOAT, &[SIZE]);
    graph.output("done", FLOAT, &[1]);
    graph.custom("sdp.copies", "Late", &["x"], &["g"], &[]);
    graph.custom("sdp.copies", "Publish", &["g"], &["done"], &[]);
    let environment = runtime::environment(&runtime_library()).unwrap();
    let domain = publish::domain("CPUExecutionProvider", publisher.clone()).unwrap().add(Late { driver: driver.to_owned() }).unwrap();
    Session::builder(&environment).unwrap().with_operators(domain).unwrap().commit_from_memory(&graph.finish()).unwrap()
}

#[test]
fn what_is_published_waits_for_what_computes_it_and_is_copied_once() {
    let folder = tempfile::tempdir().unwrap();
    let Some(stand_in) = StandIn::build(folder.path(), &[]) else { return };
    let publisher = Arc::<Publisher>::default();
    let mut session = session(&stand_in.path, &publisher);
    assert_eq!(publisher.nodes(), [["g"]]);

    let context = Context::open(&stand_in.path, 0).unwrap();
    let stream = Arc::new(context.stream().unwrap());
    let numbers: Vec<f32> = (0..SIZE).map(|i| i as f32).collect();
    let mut gradient = Tensor::<f32>::new(&Allocator::default(), [SIZE]).unwrap();
    let device = gradient.data_ptr_mut() as u64;
    let mut host = vec![0.0f32; SIZE];
    let up = Up { host: host.as_mut_ptr() as usize, device, bytes: 4 * SIZE };
    // SAFETY: both outlive the stream's copies, and are left alone until they are done.
    let outlet = unsafe { Outlet::new(stream.clone(), vec![Group { inputs: vec![device], copies: vec![up], ..Group::default() }]) };
    publisher.connect(&outlet);

    let mut binding = session.create_binding().unwrap();
    binding.bind_input("x", &Tensor::from_array(([SIZE], numbers.clone())).unwrap()).unwrap();
    binding.bind_output("g", gradient).unwrap();
    binding.bind_output("done", Tensor::<f32>::new(&Allocator::default(), [1usize]).unwrap()).unwrap();
    outlet.open(true);
    session.run_binding(&binding).unwrap();
    assert_eq!(stand_in.counts().0, SIZE + 1);
    outlet.begin_rest().unwrap();
    assert_eq!(stand_in.counts().0, SIZE + 1, "nothing is left to be copied");
    stream.wait().unwrap();
    assert_eq!(host, numbers);

    outlet.open(false);
    session.run_binding(&binding).unwrap();
    assert_eq!(stand_in.counts().0, 2 * SIZE + 1, "nodes begin nothing");
    outlet.begin_rest().unwrap();
    assert_eq!(stand_in.counts().0, 2 * SIZE + 2);
    stream.wait().unwrap();
}
