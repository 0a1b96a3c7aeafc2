// Threads that make garbage, keep some of it in a map that they share, and sum up: a sum that doesn't depend on their order.
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;

public class Loop {
    static final int ROUNDS = 600, THREADS = 3;
    static final ConcurrentHashMap<Long, byte[]> kept = new ConcurrentHashMap<>();
    static final AtomicLong rounds = new AtomicLong();

    static long run(int index) throws Exception {
        long sum = index;
        for (int round = 0; round < ROUNDS; round++) {
            List<String> garbage = new ArrayList<>();
            for (int i = 0; i < 4000; i++) garbage.add(Integer.toString(i * 31 + round, 36) + "-" + index);
            for (String one : garbage) sum = sum * 31 + one.hashCode();
            byte[] block = new byte[8192];
            for (int i = 0; i < block.length; i++) block[i] = (byte) (sum >> (i % 57));
            kept.put((long) index * 1000 + round % 300, block);
            long now = rounds.incrementAndGet();
            if (now % 50 == 0) Files.writeString(Path.of("progress"), now + "\n");
        }
        return sum;
    }

    public static void main(String[] words) throws Exception {
        var pool = Executors.newFixedThreadPool(THREADS);
        List<Future<Long>> futures = new ArrayList<>();
        for (int i = 0; i < THREADS; i++) {
            int index = i;
            futures.add(pool.submit(() -> run(index)));
        }
        long sum = 0;
        for (var one : futures) sum ^= one.get();
        pool.shutdown();
        for (byte[] block : kept.values()) for (byte one : block) sum += one;
        Files.writeString(Path.of("result"), kept.size() + " " + sum + "\n");
    }
}
