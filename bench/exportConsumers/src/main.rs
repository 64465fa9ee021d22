//! Runs an ONNX model in candle-onnx, rten or tract, or the model.safetensors beside it in candle-transformers. Arguments: library, model,
//! output, and of each input its name, f32 or i64, shape (with commas) and file; files are raw and little-endian, and the output is what
//! `logits` is, as f32.

use std::error::Error;
use std::{env, fs, process};

mod candle;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

struct Input {
    name: String,
    integers: bool,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Input {
    fn read([name, kind, shape, file]: &[String; 4]) -> Result<Self> {
        let shape = shape
            .split(',')
            .map(str::parse)
            .collect::<std::result::Result<_, _>>()?;
        Ok(Self {
            name: name.clone(),
            integers: kind == "i64",
            shape,
            bytes: fs::read(file)?,
        })
    }

    fn floats(&self) -> Vec<f32> {
        self.bytes
            .as_chunks()
            .0
            .iter()
            .map(|&bytes| f32::from_le_bytes(bytes))
            .collect()
    }

    fn tokens(&self) -> Vec<i64> {
        self.bytes
            .as_chunks()
            .0
            .iter()
            .map(|&bytes| i64::from_le_bytes(bytes))
            .collect()
    }
}

fn main() {
    if let Err(error) = run(&env::args().skip(1).collect::<Vec<_>>()) {
        eprintln!("{error:?}");
        process::exit(1);
    }
}

fn run(arguments: &[String]) -> Result<()> {
    let [library, model, output, inputs @ ..] = arguments else {
        return Err("usage: LIBRARY MODEL OUTPUT (NAME f32|i64 SHAPE FILE)...".into());
    };
    let inputs = inputs
        .as_chunks()
        .0
        .iter()
        .map(Input::read)
        .collect::<Result<Vec<_>>>()?;
    let logits = match library.as_str() {
        "candle-onnx" => candle::onnx(model, &inputs)?,
        "candle-transformers" => candle::transformers(model, &inputs)?,
        "rten" => rten(model, &inputs)?,
        "tract" => tract(model, &inputs)?,
        _ => return Err(format!("no library {library}").into()),
    };
    fs::write(
        output,
        logits
            .iter()
            .flat_map(|logit| logit.to_le_bytes())
            .collect::<Vec<_>>(),
    )?;
    Ok(())
}

fn rten(model: &str, inputs: &[Input]) -> Result<Vec<f32>> {
    use rten_tensor::Tensor;
    use rten_tensor::prelude::*;
    let model = rten::Model::load_file(model)?;
    let tensor_of = |input: &Input| {
        let tensor: rten::Value = if input.integers {
            let tokens: Vec<i32> = input.tokens().iter().map(|&token| token as i32).collect();
            Tensor::from_data(&input.shape[..], tokens).into()
        } else {
            Tensor::from_data(&input.shape[..], input.floats()).into()
        };
        Ok((model.node_id(&input.name)?, tensor.into()))
    };
    let given = inputs.iter().map(tensor_of).collect::<Result<_>>()?;
    let results = model.run(given, &[model.node_id("logits")?], None)?;
    let logits: Tensor<f32> = results.into_iter().next().ok_or("no output")?.try_into()?;
    Ok(logits.to_vec())
}

fn tract(model: &str, inputs: &[Input]) -> Result<Vec<f32>> {
    use tract_onnx::prelude::*;
    let mut model = tract_onnx::onnx().model_for_path(model)?;
    model = model
        .with_input_names(inputs.iter().map(|input| &input.name))?
        .with_outputs_by_name(["logits"])?;
    let mut given = tvec!();
    for (at, input) in inputs.iter().enumerate() {
        let (tensor, kind) = if input.integers {
            (
                Tensor::from_shape(&input.shape, &input.tokens())?,
                i64::datum_type(),
            )
        } else {
            (
                Tensor::from_shape(&input.shape, &input.floats())?,
                f32::datum_type(),
            )
        };
        model.set_input_fact(at, kind.fact(&input.shape[..]).into())?;
        given.push(tensor.into());
    }
    let results = model.into_optimized()?.into_runnable()?.run(given)?;
    Ok(results[0]
        .cast_to::<f32>()?
        .view()
        .as_slice::<f32>()?
        .to_vec())
}
