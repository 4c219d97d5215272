#pragma once
// The bytes of one file, owned. Large ones lie in a file of their own in memory (memfd_create(2)):
// the kernel sends its pages without copying them, and nobody writes to it, whatever happens to the
// file on disk.

#include <cstdint>
#include <utility>

namespace ringtime::site {

class FileMemory {
 public:
    FileMemory() = default;
    /// Room for `size` bytes; false (as a bool) when there is no memory.
    [[nodiscard]] static FileMemory make(uint64_t size) noexcept;
    /// Memory of malloc, or null.
    [[nodiscard]] static FileMemory adopt(char* bytes) noexcept;
    FileMemory(FileMemory&& other) noexcept { swap(other); }
    FileMemory& operator=(FileMemory&& other) noexcept {
        swap(other);
        return *this;
    }
    ~FileMemory();

    explicit operator bool() const noexcept { return bytes_ != nullptr; }
    [[nodiscard]] char* bytes() const noexcept { return bytes_; }
    /// What the kernel can send from, or -1: these have to be copied.
    [[nodiscard]] int fd() const noexcept { return fd_; }

 private:
    [[nodiscard]] static FileMemory map(uint64_t size) noexcept;
    void swap(FileMemory& other) noexcept {
        std::swap(bytes_, other.bytes_);
        std::swap(mapped_, other.mapped_);
        std::swap(fd_, other.fd_);
    }

    char* bytes_ = nullptr;
    uint64_t mapped_ = 0;
    int fd_ = -1;
};

}  // namespace ringtime::site
