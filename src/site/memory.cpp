#include "site/memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>

#include "site/limits.h"

namespace ringtime::site {

FileMemory FileMemory::make(uint64_t size) noexcept {
    if (size >= limits::mapped_file_bytes_min) {
        // Without descriptors or shared memory to spare a copy is sent instead.
        if (FileMemory mapped = map(size)) return mapped;
    }
    return adopt(static_cast<char*>(std::malloc(size ? size : 1)));
}

FileMemory FileMemory::adopt(char* bytes) noexcept {
    FileMemory memory;
    memory.bytes_ = bytes;
    return memory;
}

FileMemory FileMemory::map(uint64_t size) noexcept {
    FileMemory memory;
    int fd = ::memfd_create("ringtime-site", MFD_CLOEXEC);
    if (fd < 0) return memory;
    memory.fd_ = fd;
    if (::ftruncate(fd, static_cast<off_t>(size)) != 0) return {};
    void* bytes = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (bytes == MAP_FAILED) return {};
    memory.bytes_ = static_cast<char*>(bytes);
    memory.mapped_ = size;
    return memory;
}

FileMemory::~FileMemory() {
    if (mapped_) {
        ::munmap(bytes_, mapped_);
    } else {
        std::free(bytes_);
    }
    if (fd_ >= 0) ::close(fd_);
}

}  // namespace ringtime::site
