#include "worker/region.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include <cerrno>
#include <utility>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U  // Linux 6.3; older kernels refuse the flag.
#endif

namespace ringtime::worker {
namespace {

int make_memory(const char* name, size_t bytes) {
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL) fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd >= 0 && ftruncate(fd, static_cast<off_t>(bytes)) != 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

void describe_region(rtw_region& region, uint32_t magic, unsigned core, size_t bytes) {
    region.info.magic = magic;
    region.info.abi = RTW_ABI_VERSION;
    region.info.ring_entries = RTW_RING_ENTRIES;
    region.info.arena_bytes = static_cast<uint32_t>(bytes - RTW_ARENA_OFFSET);
    region.info.core = core;
}

}  // namespace

RegionPair::RegionPair(RegionPair&& other) noexcept { *this = std::move(other); }

RegionPair& RegionPair::operator=(RegionPair&& other) noexcept {
    if (this == &other) return *this;
    unmap();
    to_worker_ = std::exchange(other.to_worker_, nullptr);
    to_gateway_ = std::exchange(other.to_gateway_, nullptr);
    bytes_ = std::exchange(other.bytes_, 0);
    doorbell_ = std::move(other.doorbell_);
    return *this;
}

RegionPair::~RegionPair() { unmap(); }

void RegionPair::unmap() noexcept {
    if (to_worker_) munmap(to_worker_, bytes_);
    if (to_gateway_) munmap(const_cast<rtw_region*>(to_gateway_), bytes_);
    to_worker_ = nullptr;
    to_gateway_ = nullptr;
}

int RegionPair::create(unsigned core, uint32_t arena_bytes, Fd& to_worker,
                       Fd& to_gateway) noexcept {
    bytes_ = RTW_ARENA_OFFSET + size_t{arena_bytes};
    to_worker = Fd(make_memory("ringtime-to-worker", bytes_));
    to_gateway = Fd(make_memory("ringtime-to-gateway", bytes_));
    doorbell_ = Fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!to_worker || !to_gateway || !doorbell_) return errno;
    void* a = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, to_worker.get(), 0);
    if (a == MAP_FAILED) return errno;
    to_worker_ = static_cast<rtw_region*>(a);
    void* b = mmap(nullptr, bytes_, PROT_READ, MAP_SHARED, to_gateway.get(), 0);
    if (b == MAP_FAILED) return errno;
    to_gateway_ = static_cast<const rtw_region*>(b);
    describe_region(*to_worker_, RTW_MAGIC_TO_WORKER, core, bytes_);
    // Our own mapping stays writable: the seal forbids future ones.
    constexpr int kSize = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    if (fcntl(to_worker.get(), F_ADD_SEALS, kSize | F_SEAL_FUTURE_WRITE) != 0 ||
        fcntl(to_gateway.get(), F_ADD_SEALS, kSize) != 0)
        return errno;
    return 0;
}

}  // namespace ringtime::worker
