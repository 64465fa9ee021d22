// Stands in for cuDNN 9 in tests: the functions that the operators call, on host memory, by their definitions and in double precision.
// It refuses what the operators must not ask for, and its list of algorithms begins with those that they must not choose.

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SUCCESS = 0, BAD_PARAM = 2000, NOT_SUPPORTED = 3000 };

typedef struct {
  int format, type, extent[4];
} Tensor; // also of kernels

typedef struct {
  int pad[2], stride[2], dilation[2], mode, type, math;
} Convolution;

typedef struct {
  int algorithm, status;
  float time;
  size_t memory;
  int determinism, math, reserved[3];
} Performance;

typedef struct {
  int has_stream;
} Handle;

static int handles = 0, descriptors = 0;

/// Objects that live: handles and descriptors.
int standin_alive(void) { return handles * 1000 + descriptors; }

const char *cudnnGetErrorString(int status) {
  return status == SUCCESS ? "SUCCESS" : status == NOT_SUPPORTED ? "NOT SUPPORTED HERE" : "BAD PARAMETER";
}

int cudnnCreate(void **handle) {
  handles++;
  *handle = calloc(1, sizeof(Handle));
  return SUCCESS;
}
int cudnnDestroy(void *handle) {
  handles--;
  free(handle);
  return SUCCESS;
}
int cudnnSetStream(Handle *handle, void *stream) {
  handle->has_stream = 1;
  return stream ? BAD_PARAM : SUCCESS;
}

static int create(void **object, size_t bytes) {
  descriptors++;
  *object = calloc(1, bytes);
  return SUCCESS;
}
static int destroy(void *object) {
  descriptors--;
  free(object);
  return SUCCESS;
}
int cudnnCreateTensorDescriptor(void **object) { return create(object, sizeof(Tensor)); }
int cudnnCreateFilterDescriptor(void **object) { return create(object, sizeof(Tensor)); }
int cudnnCreateConvolutionDescriptor(void **object) { return create(object, sizeof(Convolution)); }
int cudnnDestroyTensorDescriptor(void *object) { return destroy(object); }
int cudnnDestroyFilterDescriptor(void *object) { return destroy(object); }
int cudnnDestroyConvolutionDescriptor(void *object) { return destroy(object); }

static int set(Tensor *tensor, int format, int type, int a, int b, int c, int d) {
  *tensor = (Tensor){format, type, {a, b, c, d}};
  return format == 0 && type == 0 && a > 0 && b > 0 && c > 0 && d > 0 ? SUCCESS : BAD_PARAM;
}
int cudnnSetTensor4dDescriptor(Tensor *tensor, int format, int type, int n, int c, int h, int w) {
  return set(tensor, format, type, n, c, h, w);
}
int cudnnSetFilter4dDescriptor(Tensor *filter, int type, int format, int k, int c, int r, int s) {
  return set(filter, format, type, k, c, r, s);
}
int cudnnSetConvolution2dDescriptor(Convolution *of, int pad_h, int pad_w, int stride_h, int stride_w, int dilation_h,
                                    int dilation_w, int mode, int type) {
  *of = (Convolution){{pad_h, pad_w}, {stride_h, stride_w}, {dilation_h, dilation_w}, mode, type, 0};
  return dilation_h == 1 && dilation_w == 1 && mode == 1 && type == 0 ? SUCCESS : BAD_PARAM;
}
int cudnnSetConvolutionMathType(Convolution *of, int math) {
  of->math = math;
  return SUCCESS;
}

static int fits(Handle *handle, const Tensor *x, const Tensor *w, const Tensor *dy, const Convolution *of) {
  int fits = handle->has_stream && of->math == 3 && x->extent[0] == dy->extent[0] && x->extent[1] == w->extent[1] &&
             w->extent[0] == dy->extent[1];
  for (int axis = 0; axis < 2; axis++)
    fits &= (x->extent[axis + 2] + 2 * of->pad[axis] - w->extent[axis + 2]) / of->stride[axis] + 1 == dy->extent[axis + 2];
  return fits;
}

/// Not the same each time; with tensor cores; with too much workspace; the one to choose. None for kernels of nine rows.
static int find(int fits, const Tensor *w, int asked, int *count, Performance *found) {
  const Performance all[] = {{0, SUCCESS, 1, 0, 0, 3, {0}},
                             {5, SUCCESS, 2, 0, 1, 2, {0}},
                             {2, SUCCESS, 3, 0, 1, 3, {0}},
                             {1, SUCCESS, 4, 0, 1, 3, {0}}};
  *count = w->extent[2] == 9 ? 1 : asked < 4 ? asked : 4;
  memcpy(found, all, sizeof(Performance) * *count);
  return fits && asked == 14 ? SUCCESS : BAD_PARAM;
}
static int size(int fits, int algorithm, size_t *bytes) {
  *bytes = algorithm == 2 ? (size_t)1 << 40 : 4096;
  return fits && algorithm != 5 ? SUCCESS : NOT_SUPPORTED;
}
int cudnnGetConvolutionBackwardFilterAlgorithm_v7(void *handle, Tensor *x, Tensor *dy, Convolution *of, Tensor *w, int asked,
                                                  int *count, Performance *found) {
  return find(fits(handle, x, w, dy, of), w, asked, count, found);
}
int cudnnGetConvolutionBackwardDataAlgorithm_v7(void *handle, Tensor *w, Tensor *dy, Convolution *of, Tensor *x, int asked,
                                                int *count, Performance *found) {
  return find(fits(handle, x, w, dy, of), w, asked, count, found);
}
int cudnnGetConvolutionBackwardFilterWorkspaceSize(void *handle, Tensor *x, Tensor *dy, Convolution *of, Tensor *w,
                                                   int algorithm, size_t *bytes) {
  return size(fits(handle, x, w, dy, of), algorithm, bytes);
}
int cudnnGetConvolutionBackwardDataWorkspaceSize(void *handle, Tensor *w, Tensor *dy, Convolution *of, Tensor *x,
                                                 int algorithm, size_t *bytes) {
  return size(fits(handle, x, w, dy, of), algorithm, bytes);
}

/// Adds up the products of all triples of an image's pixel, a kernel's weight and an output; `into` is one of the three.
static int gradient(const Tensor *x_form, const float *x, const Tensor *w_form, const float *w, const Tensor *dy_form,
                    const float *dy, const Convolution *of, float *into, size_t scalars, int of_weights) {
  const int *xs = x_form->extent, *ws = w_form->extent, *ys = dy_form->extent;
  double *sums = calloc(scalars, sizeof(double));
  for (int n = 0; n < ys[0]; n++)
    for (int k = 0; k < ys[1]; k++)
      for (int p = 0; p < ys[2]; p++)
        for (int q = 0; q < ys[3]; q++)
          for (int c = 0; c < xs[1]; c++)
            for (int r = 0; r < ws[2]; r++)
              for (int s = 0; s < ws[3]; s++) {
                int row = p * of->stride[0] - of->pad[0] + r, column = q * of->stride[1] - of->pad[1] + s;
                if (row < 0 || row >= xs[2] || column < 0 || column >= xs[3]) continue;
                size_t pixel = (((size_t)n * xs[1] + c) * xs[2] + row) * xs[3] + column;
                size_t weight = (((size_t)k * ws[1] + c) * ws[2] + r) * ws[3] + s;
                double output = dy[(((size_t)n * ys[1] + k) * ys[2] + p) * ys[3] + q];
                if (of_weights) sums[weight] += x[pixel] * output;
                else sums[pixel] += w[weight] * output;
              }
  for (size_t i = 0; i < scalars; i++) into[i] = sums[i];
  free(sums);
  return SUCCESS;
}

static size_t scalars(const Tensor *tensor) {
  return (size_t)tensor->extent[0] * tensor->extent[1] * tensor->extent[2] * tensor->extent[3];
}
static int blend(const void *alpha, const void *beta) { return *(float *)alpha == 1 && *(float *)beta == 0; }

int cudnnConvolutionBackwardFilter(void *handle, const void *alpha, Tensor *x_form, const void *x, Tensor *dy_form,
                                   const void *dy, Convolution *of, int algorithm, void *workspace, size_t bytes,
                                   const void *beta, Tensor *dw_form, void *dw) {
  if (!fits(handle, x_form, dw_form, dy_form, of) || !blend(alpha, beta) || algorithm != 1 || bytes != 4096) return BAD_PARAM;
  memset(workspace, 255, bytes);
  return gradient(x_form, x, dw_form, 0, dy_form, dy, of, dw, scalars(dw_form), 1);
}
int cudnnConvolutionBackwardData(void *handle, const void *alpha, Tensor *w_form, const void *w, Tensor *dy_form,
                                 const void *dy, Convolution *of, int algorithm, void *workspace, size_t bytes,
                                 const void *beta, Tensor *dx_form, void *dx) {
  if (!fits(handle, dx_form, w_form, dy_form, of) || !blend(alpha, beta) || algorithm != 1 || bytes != 4096) return BAD_PARAM;
  memset(workspace, 255, bytes);
  return gradient(dx_form, 0, w_form, w, dy_form, dy, of, dx, scalars(dx_form), 0);
}

int cudnnSetTensor(void *handle, Tensor *form, float *y, const float *value) {
  for (size_t i = 0; i < scalars(form); i++) y[i] = *value;
  return SUCCESS;
}
int cudnnScaleTensor(void *handle, Tensor *form, float *y, const float *alpha) {
  for (size_t i = 0; i < scalars(form); i++) y[i] *= *alpha;
  return SUCCESS;
}

/// One tensor by channel.
static int channels(const Tensor *form, const Tensor *x) {
  return form->extent[0] == 1 && form->extent[1] == x->extent[1] && form->extent[2] == 1 && form->extent[3] == 1;
}
static size_t at(const Tensor *form, int n, int c, int i) {
  return ((size_t)n * form->extent[1] + c) * form->extent[2] * form->extent[3] + i;
}

int cudnnBatchNormalizationForwardInference(void *handle, int mode, const void *alpha, const void *beta, Tensor *form,
                                            const float *x, Tensor *y_form, float *y, Tensor *by_channel,
                                            const float *scale, const float *bias, const float *mean,
                                            const float *variance, double epsilon) {
  if (mode != 1 || !blend(alpha, beta) || !channels(by_channel, form) || epsilon < 0) return BAD_PARAM;
  for (int n = 0; n < form->extent[0]; n++)
    for (int c = 0; c < form->extent[1]; c++)
      for (int i = 0; i < form->extent[2] * form->extent[3]; i++)
        y[at(form, n, c, i)] = scale[c] * (x[at(form, n, c, i)] - mean[c]) / sqrt(variance[c] + epsilon) + bias[c];
  return SUCCESS;
}

int cudnnBatchNormalizationForwardTraining(void *handle, int mode, const void *alpha, const void *beta, Tensor *form,
                                           const float *x, Tensor *y_form, float *y, Tensor *by_channel,
                                           const float *scale, const float *bias, double share, float *running_mean,
                                           float *running_variance, double epsilon, float *saved_mean, float *saved_inverse) {
  if (mode != 1 || !blend(alpha, beta) || !channels(by_channel, form) || epsilon < 0) return BAD_PARAM;
  int images = form->extent[0], pixels = form->extent[2] * form->extent[3], count = images * pixels;
  for (int c = 0; c < form->extent[1]; c++) {
    double mean = 0, squares = 0;
    for (int n = 0; n < images; n++)
      for (int i = 0; i < pixels; i++) mean += x[at(form, n, c, i)] / count;
    for (int n = 0; n < images; n++)
      for (int i = 0; i < pixels; i++) squares += pow(x[at(form, n, c, i)] - mean, 2);
    for (int n = 0; n < images; n++)
      for (int i = 0; i < pixels; i++)
        y[at(form, n, c, i)] = scale[c] * (x[at(form, n, c, i)] - mean) / sqrt(squares / count + epsilon) + bias[c];
    running_mean[c] = (1 - share) * running_mean[c] + share * mean;
    running_variance[c] = (1 - share) * running_variance[c] + share * (squares / (count - 1));
  }
  return SUCCESS;
}

int cudnnBatchNormalizationBackward(void *handle, int mode, const void *alpha, const void *beta, const void *alpha_parameters,
                                    const void *beta_parameters, Tensor *form, const float *x, Tensor *dy_form,
                                    const float *dy, Tensor *dx_form, float *dx, Tensor *by_channel, const float *scale,
                                    float *dscale, float *dbias, double epsilon, const float *mean, const float *inverse) {
  if (mode != 1 || !blend(alpha, beta) || !blend(alpha_parameters, beta_parameters) || !channels(by_channel, form)) return BAD_PARAM;
  int images = form->extent[0], pixels = form->extent[2] * form->extent[3], count = images * pixels;
  for (int c = 0; c < form->extent[1]; c++) {
    double sum = 0, products = 0;
    for (int n = 0; n < images; n++)
      for (int i = 0; i < pixels; i++) {
        double output = dy[at(form, n, c, i)];
        sum += output;
        products += output * (x[at(form, n, c, i)] - mean[c]) * inverse[c];
      }
    for (int n = 0; n < images; n++)
      for (int i = 0; i < pixels; i++) {
        double normal = (x[at(form, n, c, i)] - mean[c]) * inverse[c];
        dx[at(form, n, c, i)] = scale[c] * inverse[c] * (dy[at(form, n, c, i)] - sum / count - normal * products / count);
      }
    dscale[c] = products;
    dbias[c] = sum;
  }
  return SUCCESS;
}
