// From emission to commitment: orders records by time, digests the base ones, hands batches to consumers (MA 11).
//
// Rules
//  - A CPU that runs ahead privately emits records with its local time; they are buffered and committed once no
//    activity with an earlier instant is possible. Records of one instant are committed in the order of emission, which
//    is the order in which the engine performed the activities.
//  - The digest covers base records without ids and causes, as little-endian 64-bit words, in chunks of kChunkRecords;
//    each chunk's digest is seeded by the one before it, so that diff can find the first differing chunk.
//  - Consumers see committed records only, in order, in batches.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "ticklab/sim/record.hpp"
#include "ticklab/sim/word_buffer.hpp"

namespace ticklab::sim {

/// 128-bit digest of a record stream.
struct Digest {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    friend constexpr auto operator<=>(const Digest&, const Digest&) = default;
    /// 32 hexadecimal digits.
    std::string hex() const;
};

/// Emission side of one source (a CPU, a device, the script): counts its records.
struct Emitter {
    std::uint32_t rank = 0;
    CpuId cpu = kNoCpu;
    std::uint64_t count = 0;
};

class RecordStream {
public:
    static constexpr std::size_t kChunkRecords = 1024;

    /// Emits a record at `at` (not before the last committed instant); returns its id. Operands in the order of the
    /// declaration; signed and time operands as their 64-bit two's complement.
    template <class... Operands>
    RecordId emit(Emitter& from, Time at, const RecordKind& kind, RecordId cause, Operands... operands) {
        const std::array<std::uint64_t, sizeof...(Operands)> words{static_cast<std::uint64_t>(operands)...};
        return append(from, at, kind, cause, RecordId{}, words.data(), sizeof...(Operands));
    }
    /// The same, with the record that the activity had to wait for.
    template <class... Operands>
    RecordId emit_waited(Emitter& from, Time at, const RecordKind& kind, RecordId cause, RecordId waited_on,
                         Operands... operands) {
        const std::array<std::uint64_t, sizeof...(Operands)> words{static_cast<std::uint64_t>(operands)...};
        return append(from, at, kind, cause, waited_on, words.data(), sizeof...(Operands));
    }

    /// Whether enough is buffered that the engine should call commit().
    bool wants_commit() const { return index_.size() >= commit_at_; }
    /// Commits everything up to and including `horizon`: no later emission has an earlier instant.
    void commit(Time horizon);

    /// Adds a consumer; it must outlive the stream's use. Consumers are called in the order they were added.
    void add_consumer(RecordConsumer& consumer) { consumers_.push_back(&consumer); }

    /// The digest of all committed base records.
    Digest digest() const;
    /// Digest after each full chunk of committed base records.
    const std::vector<Digest>& chain() const { return chain_; }
    /// Committed base records: how many the digest covers.
    std::uint64_t committed() const { return committed_; }

    /// Index of a name, the same for equal strings; numbered in order of first use. For OperandType::kName and kObject.
    std::uint64_t intern(std::string_view name);
    std::string_view name(std::uint64_t index) const { return names_[index]; }

private:
    struct Entry {
        Time at;
        std::uint32_t offset;
    };

    RecordId append(Emitter& from, Time at, const RecordKind& kind, RecordId cause, RecordId waited_on,
                    const std::uint64_t* operands, std::size_t count);
    void digest_record(Time at, const RecordKind& kind, const std::uint64_t* words);
    void close_chunk();

    WordBuffer words_;
    WordBuffer spare_;
    std::vector<Entry> index_;
    std::vector<Record> batch_;
    std::vector<RecordConsumer*> consumers_;
    WordBuffer chunk_;
    std::size_t chunk_records_ = 0;
    std::vector<Digest> chain_;
    Digest digest_;
    std::uint64_t committed_ = 0;
    Time committed_to_ = kBoot;
    std::size_t kept_ = 0;  // entries at the front of index_ that an earlier commit had to leave
    std::size_t commit_at_ = kChunkRecords;
    bool in_order_ = true;
    std::deque<std::string> names_;
    std::map<std::string_view, std::uint64_t, std::less<>> name_index_;
};

}  // namespace ticklab::sim
