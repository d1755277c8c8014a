/* Globals and maps of every kind of type that a C program can have. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

enum color { RED = 1, GREEN = 2 };
enum sign { MINUS = -1, ZERO = 0 };
struct bits { unsigned a : 1, b : 7, c : 20; long d : 40; int e : 5; };
struct inner { int a; struct { unsigned char x : 3, y : 5; short z; }; union { int i; float f; char bytes[4]; } u; };
struct deep { struct inner in[2]; enum color color; enum sign sign; double d; _Bool t; unsigned char raw[3];
	      int grid[2][2]; void *p; };

_Bool flag;
char letter;
signed char small;
unsigned short half;
short shorter;
int number;
unsigned count;
long wide;
unsigned long wider;
float real;
double precise;
enum color color;
char text[8];
int list[4];
struct bits bits;
struct deep deep;
unsigned __int128 huge;
const volatile int fixed = 7;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4);
	__type(key, struct inner);
	__type(value, struct deep);
} nested SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 4);
	__type(key, enum color);
	__type(value, struct bits);
} parts SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4);
	__type(key, char[8]);
	__type(value, float);
} names SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 4);
	__type(value, enum color);
} line SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_STACK);
	__uint(max_entries, 4);
	__type(value, int);
} pile SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(max_entries, 4);
	__uint(key_size, 4);
	__uint(value_size, 4);
} events SEC(".maps");

SEC("uebpf/raw")
int sum(void *ctx)
{
	enum color next = GREEN;
	int top;

	/* a look at each, so that all of them stay */
	if (bpf_map_lookup_elem(&nested, &deep.in[0]) || bpf_map_lookup_elem(&parts, &color) ||
	    bpf_map_lookup_elem(&names, text))
		bpf_map_push_elem(&line, &next, 0);
	bpf_map_peek_elem(&pile, &top);
	return flag + letter + small + half + shorter + number + count + wide + wider + list[1] + bits.c + fixed +
	       (long)huge + *(int *)&real + *(long *)&precise;
}

char LICENSE[] SEC("license") = "GPL";
