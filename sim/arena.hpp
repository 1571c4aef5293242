// Model memory: lives in an arena of the run, can fail, and is poisoned when freed (MA 1.4, DESIGN 2).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "ticklab/sim/choices.hpp"

namespace ticklab::sim {

class Cpu;

/// What a failing allocation means is the kernel's business; that it can fail is the machine's.
class Arena {
public:
    static constexpr unsigned char kPoison = 0x6b;

    Arena() = default;
    ~Arena();
    Arena(const Arena&) = delete;
    Arena& operator=(const Arena&) = delete;

    /// Zeroed memory, or null if the allocation fails: by fault (fail_next) or by choice at `site`. Interrupts must be
    /// enabled unless `atomic`: allocating with interrupts off is the verdict context.irq.
    void* allocate(Cpu& cpu, std::size_t bytes, const Site& site, bool atomic = false);
    /// Poisons it. Memory that is not allocated here is the verdict memory.double_free.
    void free(Cpu& cpu, void* memory);
    /// Set-up before time starts: never fails.
    void* allocate_at_boot(std::size_t bytes);

    /// The next `count` allocations fail (scenario fault); later ones succeed again.
    void fail_next(std::uint64_t count) { failing_ += count; }
    /// One allocation in this many fails by choice; zero for none.
    void fail_one_in(std::uint64_t n) { fail_one_in_ = n; }

    std::size_t live_bytes() const { return live_bytes_; }
    std::size_t live_count() const { return live_count_; }
    std::uint64_t failures() const { return failures_; }

private:
    struct Header;
    std::vector<Header*> blocks_;
    std::size_t live_bytes_ = 0;
    std::size_t live_count_ = 0;
    std::uint64_t failures_ = 0;
    std::uint64_t failing_ = 0;
    std::uint64_t fail_one_in_ = 0;
};

}  // namespace ticklab::sim
