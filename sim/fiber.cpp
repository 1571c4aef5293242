#include "ticklab/sim/fiber.hpp"

#include <sys/mman.h>

#include <cstring>
#include <exception>
#include <new>
#include <utility>

#ifdef TICKLAB_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#endif

namespace ticklab::sim {
namespace {

constexpr std::uint64_t kCanary = 0x7469636b6c616221ull;
constexpr std::size_t kCacheLineBytes = 64;

/// The slab that the last machine of this thread left: its stacks are in memory, where a new one is zeroed page by page
/// as it is used, which counts when a machine lives for a millisecond.
struct SpareSlab {
    void* slab = nullptr;
    std::size_t bytes = 0;
    SpareSlab() = default;
    SpareSlab(const SpareSlab&) = delete;
    SpareSlab& operator=(const SpareSlab&) = delete;
    ~SpareSlab() {
        if (slab)
            munmap(slab, bytes);
    }
};
thread_local SpareSlab spare_slab;

void* take_slab(std::size_t bytes) {
    if (spare_slab.slab && spare_slab.bytes == bytes)
        return std::exchange(spare_slab.slab, nullptr);
    void* const slab = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (slab == MAP_FAILED)
        throw std::bad_alloc();
    return slab;
}

void leave_slab(void* slab, std::size_t bytes) {
#ifdef TICKLAB_ASAN
    // Frames of abandoned fibers are still poisoned; what comes here next must not inherit that.
    __asan_unpoison_memory_region(slab, bytes);
#endif
    if (spare_slab.slab) {
        munmap(slab, bytes);
        return;
    }
    spare_slab.slab = slab;
    spare_slab.bytes = bytes;
}

}  // namespace

// An odd number of cache lines from stack to stack: their tops go through all sets of every cache.
StackPool::StackPool(std::size_t stack_bytes)
    : stack_bytes_((stack_bytes / kCacheLineBytes | 1) * kCacheLineBytes), slab_bytes_(stack_bytes_ * kStacksPerSlab) {}

StackPool::~StackPool() {
    for (void* slab : slabs_)
        leave_slab(slab, slab_bytes_);
}

StackPool::Stack StackPool::allocate() {
    if (!free_.empty()) {
        const Stack stack = free_.back();
        free_.pop_back();
        return stack;
    }
    if (used_in_slab_ == kStacksPerSlab) {
        slabs_.push_back(take_slab(slab_bytes_));
        used_in_slab_ = 0;
    }
    auto* bottom = static_cast<std::byte*>(slabs_.back()) + stack_bytes_ * used_in_slab_++;
    return Stack{bottom, bottom + stack_bytes_};
}

#ifdef TICKLAB_ASAN
// Whatever looks like a pointer in the frames of an abandoned fiber may be all that led to an object. The frames' red
// zones are poisoned, hence no instrumentation here.
__attribute__((no_sanitize("address"))) Fiber::~Fiber() {
    if (!context_ || !stack_.bottom)
        return;
    for (auto* word = static_cast<void**>(context_); word < static_cast<void*>(stack_.top); ++word)
        __lsan_ignore_object(*word);
}
#endif

void Fiber::start(StackPool& pool, Entry entry, void* argument) {
    if (!stack_.bottom)
        stack_ = pool.allocate();
#ifdef TICKLAB_ASAN
    // Whoever had this stack may have been abandoned on it.
    __asan_unpoison_memory_region(stack_.bottom, static_cast<std::size_t>(stack_.top - stack_.bottom));
#endif
    std::memcpy(stack_.bottom, &kCanary, sizeof kCanary);
    entry_ = entry;
    argument_ = argument;
    context_ = boost::context::detail::make_fcontext(stack_.top, static_cast<std::size_t>(stack_.top - stack_.bottom),
                                                     &Fiber::trampoline);
}

namespace {
struct Handover {
    Fiber* from;
    Fiber* to;
};
}  // namespace

void Fiber::trampoline(boost::context::detail::transfer_t transfer) {
    const Handover h = *static_cast<Handover*>(transfer.data);
    h.from->context_ = transfer.fctx;
#ifdef TICKLAB_ASAN
    const void* bottom = nullptr;
    std::size_t size = 0;
    __sanitizer_finish_switch_fiber(nullptr, &bottom, &size);
    if (!h.from->stack_.bottom)
        h.from->host_stack_ = {bottom, size};
#endif
    h.to->entry_(h.to->argument_);
    std::terminate();
}

void Fiber::switch_to(Fiber& from, Fiber& to) {
    Handover h{&from, &to};
#ifdef TICKLAB_ASAN
    const void* to_bottom = to.stack_.bottom ? to.stack_.bottom : to.host_stack_.bottom;
    const std::size_t to_size =
        to.stack_.bottom ? static_cast<std::size_t>(to.stack_.top - to.stack_.bottom) : to.host_stack_.size;
    __sanitizer_start_switch_fiber(&from.fake_stack_, to_bottom, to_size);
#endif
    const boost::context::detail::transfer_t back = boost::context::detail::jump_fcontext(to.context_, &h);
    // Whoever jumped here tells where it left off.
    const Handover came = *static_cast<Handover*>(back.data);
    came.from->context_ = back.fctx;
#ifdef TICKLAB_ASAN
    const void* bottom = nullptr;
    std::size_t size = 0;
    __sanitizer_finish_switch_fiber(from.fake_stack_, &bottom, &size);
    if (!came.from->stack_.bottom)
        came.from->host_stack_ = {bottom, size};
#endif
}

void Fiber::give_back(StackPool& pool) {
    pool.give_back(stack_);
    stack_ = {};
    context_ = nullptr;
}

bool Fiber::stack_intact() const { return !stack_.bottom || std::memcmp(stack_.bottom, &kCanary, sizeof kCanary) == 0; }

}  // namespace ticklab::sim
