// A stand-in for the CUDA driver without a card: device memory is host memory. Copies are done as late and in as odd an order as streams
// allow, so that a wait that is missing shows as wrong data. Calls without the context are errors; so are copies that are pinned in part,
// and memory that is pinned twice. Unpinning memory that a copy waits for ends the process. REFUSE_PINNING: no memory can be pinned.

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SUCCESS = 0, INVALID_VALUE = 1, INVALID_CONTEXT = 201, REGISTERED = 712, NOT_REGISTERED = 713, NOT_SUPPORTED = 801 };

typedef struct Stream Stream;

// A copy, or where `after` stands a wait for the first `count` entries of that stream.
typedef struct Copy {
  char *to, *from, *host;
  size_t bytes;
  Stream *after;
  size_t count;
  struct Copy *next;
} Copy;

struct Stream {
  Copy *first, **end;
  size_t begun, done;
  struct Stream *next;
};

// What a stream had been given when the event was recorded.
typedef struct Event {
  Stream *stream;
  size_t count;
} Event;

typedef struct Region {
  char *start;
  size_t bytes;
  struct Region *next;
} Region;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Stream by_default = {NULL, &by_default.first, 0, 0, NULL};
static Stream *streams = &by_default;
static Region *regions;
static size_t copies, pinned, contexts;
static int context;
static _Thread_local void *current;
static uint64_t state = 1;

static uint64_t random_below(uint64_t bound) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (state >> 33) % bound;
}

size_t standInCopies(void) { return copies; }
size_t standInPinned(void) { return pinned; }
size_t standInContexts(void) { return contexts; }

int cuInit(unsigned flags) { return flags == 0 ? SUCCESS : INVALID_VALUE; }

int cuGetErrorName(int error, const char **name) {
  *name = error == NOT_SUPPORTED ? "CUDA_ERROR_NOT_SUPPORTED" : error == INVALID_CONTEXT ? "CUDA_ERROR_INVALID_CONTEXT" : NULL;
  return *name ? SUCCESS : INVALID_VALUE;
}

int cuDeviceGet(int *device, int ordinal) {
  *device = ordinal;
  return ordinal >= 0 && ordinal < 8 ? SUCCESS : INVALID_VALUE;
}

int cuDevicePrimaryCtxRetain(void **handle, int device) {
  (void)device;
  *handle = &context;
  __atomic_add_fetch(&contexts, 1, __ATOMIC_SEQ_CST);
  return SUCCESS;
}

int cuDevicePrimaryCtxRelease_v2(int device) {
  (void)device;
  __atomic_sub_fetch(&contexts, 1, __ATOMIC_SEQ_CST);
  return SUCCESS;
}

int cuCtxSetCurrent(void *handle) {
  current = handle;
  return handle == &context ? SUCCESS : INVALID_CONTEXT;
}

static int overlaps(const Region *region, const char *start, size_t bytes) {
  return start && start < region->start + region->bytes && region->start < start + bytes;
}

int cuMemHostRegister_v2(void *start, size_t bytes, unsigned flags) {
  (void)flags;
  if (current != &context) return INVALID_CONTEXT;
#ifdef REFUSE_PINNING
  return NOT_SUPPORTED;
#endif
  pthread_mutex_lock(&lock);
  int result = SUCCESS;
  for (Region *region = regions; region; region = region->next)
    if (overlaps(region, start, bytes)) result = REGISTERED;
  if (result == SUCCESS) {
    Region *region = malloc(sizeof *region);
    *region = (Region){start, bytes, regions};
    regions = region;
    pinned += bytes;
  }
  pthread_mutex_unlock(&lock);
  return result;
}

int cuMemHostUnregister(void *start) {
  if (current != &context) return INVALID_CONTEXT;
  pthread_mutex_lock(&lock);
  int result = NOT_REGISTERED;
  for (Region **at = &regions; *at; at = &(*at)->next) {
    Region *region = *at;
    if (region->start != start) continue;
    for (Stream *stream = streams; stream; stream = stream->next)
      for (Copy *copy = stream->first; copy; copy = copy->next)
        if (overlaps(region, copy->host, copy->bytes)) {
          fputs("stand-in for the CUDA driver: memory is unpinned that a copy waits for\n", stderr);
          abort();
        }
    pinned -= region->bytes;
    *at = region->next;
    free(region);
    result = SUCCESS;
    break;
  }
  pthread_mutex_unlock(&lock);
  return result;
}

int cuStreamCreate(Stream **handle, unsigned flags) {
  (void)flags;
  if (current != &context) return INVALID_CONTEXT;
  Stream *stream = malloc(sizeof *stream);
  pthread_mutex_lock(&lock);
  *stream = (Stream){NULL, &stream->first, 0, 0, streams};
  streams = stream;
  pthread_mutex_unlock(&lock);
  *handle = stream;
  return SUCCESS;
}

// Does the first `count` entries of a stream.
static void advance(Stream *stream, size_t count) {
  while (count-- > 0 && stream->first) {
    Copy *copy = stream->first;
    if (!copy->after) memcpy(copy->to, copy->from, copy->bytes);
    else if (copy->after->done < copy->count) advance(copy->after, copy->count - copy->after->done);
    stream->first = copy->next;
    if (!copy->next) stream->end = &stream->first;
    stream->done += 1;
    free(copy);
  }
}

int cuStreamSynchronize(Stream *stream) {
  if (current != &context) return INVALID_CONTEXT;
  pthread_mutex_lock(&lock);
  for (Stream *other = streams; other; other = other->next)
    if (other != stream) advance(other, random_below(3));
  advance(stream, SIZE_MAX);
  pthread_mutex_unlock(&lock);
  return SUCCESS;
}

int cuStreamDestroy_v2(Stream *stream) {
  if (current != &context) return INVALID_CONTEXT;
  pthread_mutex_lock(&lock);
  advance(stream, SIZE_MAX);
  for (Stream **at = &streams; *at; at = &(*at)->next)
    if (*at == stream) {
      *at = stream->next;
      break;
    }
  pthread_mutex_unlock(&lock);
  free(stream);
  return SUCCESS;
}

static void append(Stream *stream, Copy entry) {
  Copy *copy = malloc(sizeof *copy);
  *copy = entry;
  *stream->end = copy;
  stream->end = &copy->next;
  stream->begun += 1;
}

static int enqueue(Stream *stream, char *to, char *from, char *host, size_t bytes) {
  if (current != &context) return INVALID_CONTEXT;
  if (!stream) stream = &by_default;
  pthread_mutex_lock(&lock);
  int result = SUCCESS;
  for (Region *region = regions; region; region = region->next)
    if (overlaps(region, host, bytes) && (host < region->start || host + bytes > region->start + region->bytes)) result = INVALID_VALUE;
  if (result == SUCCESS) {
    append(stream, (Copy){to, from, host, bytes, NULL, 0, NULL});
    copies += 1;
  }
  pthread_mutex_unlock(&lock);
  return result;
}

int cuMemcpyHtoDAsync_v2(uint64_t device, void *host, size_t bytes, Stream *stream) {
  return enqueue(stream, (char *)(uintptr_t)device, host, host, bytes);
}

int cuMemcpyDtoHAsync_v2(void *host, uint64_t device, size_t bytes, Stream *stream) {
  return enqueue(stream, host, (char *)(uintptr_t)device, host, bytes);
}

int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, Stream *stream) {
  return enqueue(stream, (char *)(uintptr_t)to, (char *)(uintptr_t)from, NULL, bytes);
}

int cuEventCreate(Event **handle, unsigned flags) {
  (void)flags;
  if (current != &context) return INVALID_CONTEXT;
  *handle = calloc(1, sizeof **handle);
  return SUCCESS;
}

int cuEventDestroy_v2(Event *event) {
  if (current != &context) return INVALID_CONTEXT;
  free(event);
  return SUCCESS;
}

int cuEventRecord(Event *event, Stream *stream) {
  if (current != &context) return INVALID_CONTEXT;
  if (!stream) stream = &by_default;
  pthread_mutex_lock(&lock);
  *event = (Event){stream, stream->begun};
  pthread_mutex_unlock(&lock);
  return SUCCESS;
}

int cuStreamWaitEvent(Stream *stream, Event *event, unsigned flags) {
  if (current != &context || flags != 0) return current != &context ? INVALID_CONTEXT : INVALID_VALUE;
  pthread_mutex_lock(&lock);
  if (event->stream) append(stream, (Copy){NULL, NULL, NULL, 0, event->stream, event->count, NULL});
  pthread_mutex_unlock(&lock);
  return SUCCESS;
}
