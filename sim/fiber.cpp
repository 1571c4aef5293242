#include "ticklab/sim/fiber.hpp"

#include <sys/mman.h>

#include <cstring>
#include <exception>
#include <new>

#ifdef TICKLAB_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#endif

namespace ticklab::sim {
namespace {

constexpr std::uint64_t kCanary = 0x7469636b6c616221ull;
constexpr std::size_t kCacheLineBytes = 64;

}  // namespace

// An odd number of cache lines from stack to stack: their tops go through all sets of every cache.
StackPool::StackPool(std::size_t stack_bytes)
    : stack_bytes_((stack_bytes / kCacheLineBytes | 1) * kCacheLineBytes), slab_bytes_(stack_bytes_ * kStacksPerSlab) {}

StackPool::~StackPool() {
    for (void* slab : slabs_) {
#ifdef TICKLAB_ASAN
        // Frames of abandoned fibers are still poisoned; the next mapping here must not inherit that.
        __asan_unpoison_memory_region(slab, slab_bytes_);
#endif
        munmap(slab, slab_bytes_);
    }
}

StackPool::Stack StackPool::allocate() {
    if (!free_.empty()) {
        const Stack stack = free_.back();
        free_.pop_back();
        return stack;
    }
    if (used_in_slab_ == kStacksPerSlab) {
        void* slab =
            mmap(nullptr, slab_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (slab == MAP_FAILED)
            throw std::bad_alloc();
        slabs_.push_back(slab);
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
