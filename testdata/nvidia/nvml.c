/*
 * Stands in for the NVIDIA driver's management library in tests: three cards, of which the second, of unified memory, tells little, and
 * the third is cut into MIG slices with an empty place between them. The driver's numbers are not in PCI order.
 *
 * INIT_RESULT: what the initialisation returns; HANGS: seconds that it takes.
 */

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifndef INIT_RESULT
#define INIT_RESULT 0
#endif
#ifndef HANGS
#define HANGS 0
#endif

enum { OK = 0, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7 };
enum { ORDINARY, UNIFIED, CUT, SLICE };

typedef struct {
  int kind;
  const char *uuid, *name;
  unsigned bus;
  int major, minor;
} Device;
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } Memory;
typedef struct { char legacy[16]; unsigned domain, bus, device, id, subsystem; char text[32]; } Pci;
typedef struct { unsigned pid; unsigned long long used; unsigned gpuInstance, computeInstance; } Process;
typedef struct { unsigned gpu, memory; } Utilisation;

static Device cards[] = {
  { CUT, "GPU-2", "Stand-in H100", 0xc1, 9, 0 },
  { ORDINARY, "GPU-0", "Stand-in H100", 0x0b, 9, 0 },
  { UNIFIED, "GPU-1", "Stand-in GB10", 0x41, 12, 1 },
};
static Device slices[] = {
  { SLICE, "MIG-0", "Stand-in H100 MIG 1g.10gb", 0xc1, 9, 0 },
  { SLICE, "MIG-2", "Stand-in H100 MIG 1g.10gb", 0xc1, 9, 0 },
};
static const unsigned long long gib = 1ull << 30;

int nvmlInit_v2(void) { if (HANGS) sleep(HANGS); return INIT_RESULT; }
int nvmlShutdown(void) { return OK; }
int nvmlSystemGetDriverVersion(char *text, unsigned size) { snprintf(text, size, "580.82.07"); return OK; }
int nvmlSystemGetCudaDriverVersion_v2(int *version) { *version = 13000; return OK; }
int nvmlSystemGetCudaDriverVersion(int *version) { return nvmlSystemGetCudaDriverVersion_v2(version); }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 3; return OK; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, Device **device) { *device = &cards[index]; return OK; }
int nvmlDeviceGetName(Device *device, char *text, unsigned size) { snprintf(text, size, "%s", device->name); return OK; }
int nvmlDeviceGetUUID(Device *device, char *text, unsigned size) { snprintf(text, size, "%s", device->uuid); return OK; }

int nvmlDeviceGetPciInfo_v3(Device *device, Pci *pci) {
  memset(pci, 0, sizeof *pci);
  pci->bus = device->bus;
  snprintf(pci->text, sizeof pci->text, "00000000:%02X:00.0", device->bus);
  return OK;
}

int nvmlDeviceGetMemoryInfo_v2(Device *device, Memory *memory) {
  if (device->kind == UNIFIED) return NOT_SUPPORTED;
  memory->total = (device->kind == SLICE ? 10 : 80) * gib;
  memory->used = 3 * gib;
  memory->free = memory->total - memory->used;
  return OK;
}

int nvmlDeviceGetUtilizationRates(Device *device, Utilisation *rates) {
  if (device->kind != ORDINARY) return NOT_SUPPORTED;
  rates->gpu = 37;
  return OK;
}

int nvmlDeviceGetCudaComputeCapability(Device *device, int *major, int *minor) {
  *major = device->major;
  *minor = device->minor;
  return OK;
}

int nvmlDeviceGetMaxPcieLinkGeneration(Device *device, unsigned *generation) {
  *generation = 5;
  return device->kind == UNIFIED ? NOT_SUPPORTED : OK;
}

int nvmlDeviceGetCurrPcieLinkWidth(Device *device, unsigned *width) {
  *width = 16;
  return device->kind == UNIFIED ? NOT_SUPPORTED : OK;
}

int nvmlDeviceGetComputeRunningProcesses_v3(Device *device, unsigned *count, Process *processes) {
  unsigned there = device->kind == ORDINARY ? 2 : 0;
  if (*count < there) { *count = there; return INSUFFICIENT_SIZE; }
  *count = there;
  if (there == 2) {
    processes[0] = (Process){ 11, gib, ~0u, ~0u };
    processes[1] = (Process){ 12, ~0ull, ~0u, ~0u };
  }
  return OK;
}

int nvmlDeviceGetMigMode(Device *device, unsigned *current, unsigned *pending) {
  if (device->kind == UNIFIED) return NOT_SUPPORTED;
  *current = *pending = device->kind == CUT;
  return OK;
}

int nvmlDeviceGetMaxMigDeviceCount(Device *device, unsigned *count) { *count = device->kind == CUT ? 7 : 0; return OK; }

int nvmlDeviceGetMigDeviceHandleByIndex(Device *device, unsigned place, Device **slice) {
  if (place != 0 && place != 2) return NOT_FOUND;
  *slice = &slices[place / 2];
  return OK;
}
