/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* ext.c - .BTF.ext: line information and CO-RE records, cut up by section.  The records stay
 * in the file's form and are read where they are used. */
#include <errno.h>
#include "loader/elf/inner.h"

enum { MAGIC = 0xeb9f, HEADER = 24, LINE_MIN = 16, CORE_MIN = 16 };

static int bad(const struct image_inner *in, const char *what)
{
	return image_fail(in, UEBPF_STAGE_BTF, UEBPF_E_BAD_BTF, -EINVAL, ".BTF.ext", NULL,
			  "malformed: %s", message_text(what));
}
#define bad(in, literal) bad(in, MESSAGE_TEXT(literal))

static int read_part(struct image_inner *in, const uint8_t *p, uint32_t len, uint32_t min,
		     struct ext_list *lists)
{
	uint32_t rec_size;

	if (!len)
		return 0;
	if (len < 4)
		return bad(in, "a part is too short");
	rec_size = le32(p);
	if (rec_size < min || rec_size % 4)
		return bad(in, "records are too short");
	for (p += 4, len -= 4; len;) {
		const char *name;
		uint64_t bytes;
		uint32_t n;

		if (len < 8)
			return bad(in, "a part ends inside a section's header");
		name = btf_string(in->image.btf, le32(p));
		n = le32(p + 4);
		bytes = (uint64_t)n * rec_size;
		p += 8;
		len -= 8;
		if (!n || bytes > len)
			return bad(in, "records lie outside the part");
		/* Records of a second section of the same name come second. */
		for (uint32_t i, nth = 0; (i = image_section(in, name, nth)); nth++) {
			if (in->use[i] != USE_CODE || lists[i].rec)
				continue;
			lists[i] = (struct ext_list){ p, n, rec_size, true };
			for (uint32_t k = 1; k < n; k++)
				if (le32(p + k * rec_size) < le32(p + (k - 1) * rec_size))
					lists[i].sorted = false;
			break;
		}
		p += bytes;
		len -= (uint32_t)bytes;
	}
	return 0;
}

int image_read_ext(struct image_inner *in)
{
	const struct elf_section *s = elf_view_find(&in->view, ".BTF.ext");
	struct { uint32_t at, min; struct ext_list **lists; } parts[] = {
		{ 16, LINE_MIN, &in->lines }, { 24, CORE_MIN, &in->cores },
	};
	const uint8_t *p;
	uint32_t head;

	if (!s || !s->data || !in->image.btf)
		return 0;
	p = s->data;
	if (s->size < HEADER || s->size > UINT32_MAX || le16(p) != MAGIC || p[2] != 1)
		return bad(in, "bad header");
	head = le32(p + 4);
	if (head < HEADER || head > s->size)
		return bad(in, "bad header length");
	for (int i = 0; i < 2; i++) {
		uint32_t at = parts[i].at, off, len, room = (uint32_t)s->size - head;
		int ret;

		if (at + 8 > head)
			break;		/* written before CO-RE existed */
		off = le32(p + at);
		len = le32(p + at + 4);
		if (off > room || len > room - off)
			return bad(in, "a part lies outside the section");
		*parts[i].lists = arena_array(&in->arena, in->view.nr_sections, sizeof(struct ext_list));
		if (!*parts[i].lists)
			return image_memory(in);
		ret = read_part(in, p + head + off, len, parts[i].min, *parts[i].lists);
		if (ret)
			return ret;
	}
	return 0;
}
